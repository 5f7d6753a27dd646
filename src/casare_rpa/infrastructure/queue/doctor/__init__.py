"""`casare doctor`'s knowledge: looks at the server, the schema and the queues, and says of each thing that is wrong what to do.

It asks the catalogs rather than the queue's functions, so it works where those do not: without a schema, with one of another
version, on a standby, through a pooler, for a login that may do little.
"""

from casare_rpa.infrastructure.queue.doctor.examination import examine
from casare_rpa.infrastructure.queue.doctor.finding import Finding
from casare_rpa.infrastructure.queue.doctor.limits import Limits

__all__ = ["Finding", "Limits", "examine"]
