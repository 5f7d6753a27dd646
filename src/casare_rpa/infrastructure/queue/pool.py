"""The pooled connections of a producer or consumer, checked once against the schema they find."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.postgres.sessions import COMMAND_TIMEOUT, PlainConnection, open_connection
from casare_rpa.infrastructure.queue.schema import check_version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue.calls import Calls
    from casare_rpa.infrastructure.queue.config import QueueConfig

SHORTEST_PATIENCE = 5.0
"""Seconds that a call may take, at least; else half of `outage_patience`, 30 at most."""

_BROKEN = (TimeoutError, asyncio.CancelledError, asyncpg.InternalClientError)
"""After these nobody knows what a connection is at."""


@dataclass(frozen=True)
class SchemaLimits:
    """What the schema allows: bytes of a payload and of a result."""

    payload: int
    result: int


async def check_schema(config: QueueConfig, calls: Calls, application_name: str) -> SchemaLimits:
    """Connect once and return the limits of the schema found there.

    Raises:
        DatabaseUnavailable, ServerTooOld, SchemaMissing, SchemaTooNew, NotPermitted, ConfigError: it cannot be used.

    """
    connection = await connect(config.require_url(), application_name, own_session=config.has_own_sessions)
    try:
        info = await calls.schema_info(connection)
    except asyncpg.PostgresError as error:
        raise translate(error) from error
    finally:
        await connection.close()
    check_version(info["version"], info["oldest_program"])
    return SchemaLimits(info["payload_limit"], info["result_limit"])


async def open_pool(config: QueueConfig, application_name: str) -> asyncpg.Pool:
    """Open a pool that connects when it is first used and holds at most `connection_pool_size` connections."""
    url = config.require_url()

    async def connect_anew(*_: Any, **__: Any) -> PlainConnection:
        return await open_connection(
            url, application_name, own_session=config.has_own_sessions, patience=_patience(config)
        )

    return await asyncpg.create_pool(
        connect=connect_anew, connection_class=PlainConnection, min_size=0, max_size=config.connection_pool_size
    )


def _patience(config: QueueConfig) -> float:
    """Return for how long a call may be silent: there must be time for a second one on another connection."""
    return min(COMMAND_TIMEOUT, max(SHORTEST_PATIENCE, config.outage_patience / 2))


@asynccontextmanager
async def borrowed(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection of the pool.

    One whose call timed out or was cancelled is dropped: its link may be dead, and asyncpg would wait on it, for ever, for the
    server to confirm the cancellation. So is one that asyncpg has lost track of.
    """
    async with pool.acquire() as connection:
        try:
            yield connection
        except _BROKEN:
            connection.terminate()
            raise


class KeptConnection:
    """A connection of a pool that one caller keeps from call to call, for lending it anew costs a third of a small call.

    It lends as `borrowed` does, to one call at a time. A pool that has only one connection gets it back after each call.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._keeps = pool.get_max_size() > 1
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> asyncpg.Connection:
        if self._connection is not None and not _is_open(self._connection):
            await self.give_back()
        if self._connection is None:
            self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._connection is not None and isinstance(error, _BROKEN):
            self._connection.terminate()
        if error is not None or not self._keeps:
            await self.give_back()

    async def give_back(self) -> None:
        """Give the connection back to the pool, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # It may end at this very moment: then it has gone back by itself.
            with contextlib.suppress(asyncpg.InterfaceError, asyncpg.InternalClientError):
                await self._pool.release(connection)


def _is_open(connection: asyncpg.Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it ended while nobody used it, and has gone back to its pool by itself
        return False
