"""A PostgreSQL of the program's own: started with it, stopped with it, nothing to install or administer."""

from casare_rpa.embedded.errors import EmbeddedPostgresError
from casare_rpa.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
