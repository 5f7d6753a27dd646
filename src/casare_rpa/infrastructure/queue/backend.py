"""Where a queue is kept and how it is reached: the seam between producers and consumers and what stands behind them.

The ordinary backend is PostgreSQL. Another one answers the same `Calls` from elsewhere, see `casare_rpa.orchestrator.job_queue`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.postgres.connection import connect, server_version
from casare_rpa.infrastructure.queue.announcer import Announcer
from casare_rpa.infrastructure.queue.calls import Calls
from casare_rpa.infrastructure.queue.consuming.lifeline import Lifeline, Listener
from casare_rpa.infrastructure.queue.pool import SchemaLimits, check_schema, open_pool

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.consuming.leases import Leases


NOTHING_HEARD = (
    "no notification arrives over this connection, as is so through a pooler in transaction mode: "
    "give a way past it with PGQUEUER_DIRECT_URL to follow a queue; single jobs can be followed without"
)


class Backend(Protocol):
    """What a producer or a consumer needs of the place that keeps its queue."""

    @property
    def calls(self) -> Calls: ...

    async def check_schema(self, name: str) -> SchemaLimits: ...

    async def open_pool(self, name: str) -> asyncpg.Pool: ...

    async def connect(self, name: str) -> asyncpg.Connection: ...

    async def connect_to_listen(self, name: str) -> asyncpg.Connection: ...

    def server_version(self, connection: asyncpg.Connection) -> str: ...

    def announcer(self) -> Announcer: ...

    def lifeline(self, robot_id: str, incarnation: UUID, leases: Leases, listener: Listener) -> Lifeline: ...


class PostgresBackend:
    """A queue that is kept in PostgreSQL."""

    def __init__(self, config: QueueConfig) -> None:
        self._config = config
        self.calls = Calls(config.schema_name)

    async def check_schema(self, name: str) -> SchemaLimits:
        return await check_schema(self._config, self.calls, name)

    async def open_pool(self, name: str) -> asyncpg.Pool:
        return await open_pool(self._config, name)

    async def connect(self, name: str) -> asyncpg.Connection:
        return await connect(self._config.require_url(), name, own_session=self._config.has_own_sessions)

    async def connect_to_listen(self, name: str) -> asyncpg.Connection:
        """Open a connection that has a session of its own.

        Raises:
            ConfigError: there is none to be had, since sessions are shared.

        """
        direct = self._config.direct_url
        connection = await connect(direct or self._config.require_url(), name, own_session=direct is not None)
        if connection.shares_sessions:
            connection.terminate()
            raise ConfigError(NOTHING_HEARD)
        return connection

    def server_version(self, connection: asyncpg.Connection) -> str:
        return server_version(connection)

    def announcer(self) -> Announcer:
        return Announcer(self._config, self.calls)

    def lifeline(self, robot_id: str, incarnation: UUID, leases: Leases, listener: Listener) -> Lifeline:
        return Lifeline(self._config, self.calls, robot_id, incarnation, leases, listener)
