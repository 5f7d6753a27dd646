"""How a migration waits for a table that others use: briefly and often, because all others wait behind it meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import MigrationFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a step is tried again while others use what it needs."""
SHORT_WAIT = "200ms"
"""How long a step waits for a lock that others would wait behind."""
NO_TIME_LIMIT = 7 * 86400.0
"""Seconds that a statement of a migration may take: how long is a matter of the tables' size alone."""

_TRIES = 6
_LOCKED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_RACED = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.InternalServerError,  # "tuple concurrently updated": two databases of a server grant the same role
)
IN_THE_WAY = (*_LOCKED, *_RACED)
"""What others cause that a further try may not meet."""

_HOLDERS = """
    SELECT a.pid, a.application_name, a.usename, to_char(a.xact_start, 'HH24:MI:SS') AS since FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND (a.backend_xmin IS NOT NULL OR EXISTS (
           SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = a.pid AND l.granted
              AND c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = $1)))
     ORDER BY a.xact_start NULLS LAST LIMIT 3"""
# A vacuum of the server's own gives way to who has waited for it for the server's deadlock_timeout, and to nobody else.
_SET_SHORT_WAIT = """
    SELECT set_config('lock_timeout', CASE WHEN EXISTS (
        SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.mode = 'ShareUpdateExclusiveLock' AND l.granted
           AND l.pid <> pg_backend_pid() AND c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = $1))
        THEN (1000 * extract(epoch FROM current_setting('deadlock_timeout')::interval) + 200)::integer::text ELSE $2 END, true)"""


async def with_patience(connection: asyncpg.Connection, schema: str, step: Callable[[], Awaitable[T]]) -> T:
    """Run a step again while another migration, of this database or of another on the server, or any transaction is in its way.

    Raises:
        MigrationFailed: the tables were in use for too long; the message names who uses them.

    """
    backoff = Backoff(first=0.1, longest=2.0)
    deadline = time.monotonic() + PATIENCE
    tries = 0
    while True:
        try:
            return await step()
        except _LOCKED:
            if time.monotonic() > deadline:
                raise MigrationFailed(await _in_use(connection, schema)) from None
        except _RACED:
            tries += 1
            if tries > _TRIES:
                raise
        await asyncio.sleep(backoff.next())


async def wait_briefly(connection: asyncpg.Connection, schema: str) -> None:
    """Let the statements of this transaction give up soon when what they lock is in use."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.fetchval(_SET_SHORT_WAIT, schema, SHORT_WAIT)


async def _in_use(connection: asyncpg.Connection, schema: str) -> str:
    """Say whose transactions are in the way, the oldest first."""
    rows = await connection.fetch(_HOLDERS, schema)
    holders = [
        f"{row['pid']} ({row['application_name'] or row['usename'] or '?'}, since {row['since']})" for row in rows
    ]
    return (
        "the queue's tables are in use: migrate again when these sessions have ended their transactions, or end them with "
        f"SELECT pg_terminate_backend(pid): {', '.join(holders) or 'none now'}"
    )
