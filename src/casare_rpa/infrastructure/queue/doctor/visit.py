"""One look at one server: what all checks share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.queue.doctor.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from casare_rpa.infrastructure.postgres.sessions import PlainConnection
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.doctor.limits import Limits

NAME = "casare doctor"


class Visit:
    """A connection, and what is asked on it.

    Every check asks in a read-only transaction of its own: a check that fails leaves nothing behind for the next one, and behind
    a pooler its settings go no further than itself.
    """

    connection: PlainConnection

    def __init__(self, config: QueueConfig, limits: Limits) -> None:
        self.config = config
        self.limits = limits
        self.schema = config.schema_name
        self.schema_usable = False
        self.version: int | None = None
        """The schema's, once it is known."""
        self.lacks_objects = False
        """Whether tables or types are missing that only a backup has."""

    def role(self, suffix: str) -> str:
        return f"{self.schema}_{suffix}"

    @property
    def shares_sessions(self) -> bool:
        """Whether a pooler stands before the server."""
        return self.connection.shares_sessions

    async def connect(self) -> PlainConnection:
        """Open a connection as a producer does."""
        return await connect(self.config.require_url(), NAME, own_session=self.config.has_own_sessions)

    async def connect_to_listen(self) -> PlainConnection:
        """Open a connection as a robot does to listen."""
        direct = self.config.direct_url
        return await connect(direct, NAME, own_session=True) if direct else await self.connect()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Begin the transaction of one check."""
        async with self.connection.transaction(readonly=True):
            await self.connection.execute(
                f"SET LOCAL statement_timeout = {int(self.limits.one_check * 900)}; SET LOCAL lock_timeout = '500ms'; "
                "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; "
                f'SET LOCAL search_path = pg_catalog, "{self.schema}"'
            )
            yield self.connection

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Return what a query of `sql/` finds."""
        async with self.transaction() as connection:
            found: list[asyncpg.Record] = await connection.fetch(QUERIES[query], *arguments)
            return found

    async def row(self, query: str, *arguments: Any) -> asyncpg.Record:
        """Return the only row that a query of `sql/` finds, or None."""
        found = await self.rows(query, *arguments)
        return found[0] if found else None
