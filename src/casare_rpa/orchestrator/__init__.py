"""What stands between requests and robots: so far the choice of the queue, and the one in memory."""

from casare_rpa.orchestrator.job_queue import JobQueue
from casare_rpa.orchestrator.selection import PostgresQueue, Queue, open_queue, require_shared_queue, uses_postgres

__all__ = ["JobQueue", "PostgresQueue", "Queue", "open_queue", "require_shared_queue", "uses_postgres"]
