"""One database with a stopped clock, connections to act on and one to look."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.clock import FrozenClock
from tests.state_machine.history_checker import check_history

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime

RECORDS = ("jobs", "dead_letter_queue", "job_history", "job_attempts", "job_references")
"""The tables that together are the record of a job."""

_DUMP = f"""SELECT jsonb_build_object({
    ", ".join(
        f"'{table}', (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY to_jsonb(r)::text), '[]') FROM {table} r)"
        for table in RECORDS
    )
})"""
_CLEAR = "; ".join(f"DELETE FROM {table}" for table in (*RECORDS, "paused_queues", "robots"))


class Bench:
    """Acts on the database `url`, which no one else uses."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.first: asyncpg.Connection
        self.second: asyncpg.Connection
        self.impatient: asyncpg.Connection
        self.helper: asyncpg.Connection
        self.watcher: asyncpg.Connection

    async def open(self, *, frozen: bool = True) -> None:
        """Connect and, if it is to be `frozen`, stop the clock."""
        self.first, self.second, self.helper, self.watcher = [await self._connect() for _ in range(4)]
        self.impatient = await self._connect(lock_timeout="100ms")
        self.clock = FrozenClock(self.watcher)
        if frozen:
            await self.clock.freeze()

    async def close(self) -> None:
        for connection in (self.first, self.second, self.helper, self.watcher, self.impatient):
            await connection.close()

    async def _connect(self, **settings: str) -> asyncpg.Connection:
        return await asyncpg.connect(self.url, server_settings={"search_path": "pgqueuer", **settings})

    async def clear(self) -> None:
        """Forget every job; queues stay known. The upkeep passed a second ago, so that it may pass again."""
        await self.watcher.execute(_CLEAR)
        await self.upkeep_passed(1)

    async def upkeep_passed(self, seconds_ago: float) -> None:
        """Let the last pass of the upkeep have been so long ago."""
        await self.watcher.execute(
            "UPDATE upkeep_state SET passed_at = clock() - $1 * interval '1 second', partitioned_at = clock()",
            float(seconds_ago),
        )

    async def check(self) -> None:
        """Raise AssertionError unless the whole record keeps its promises."""
        await check_history(self.watcher)

    async def now(self) -> datetime:
        return await self.clock.now()

    async def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every record."""
        dumped: dict[str, list[dict[str, Any]]] = json.loads(await self.watcher.fetchval(_DUMP))
        return dumped

    async def waits_for(self, waiting: asyncpg.Connection, task: asyncio.Task[Any]) -> bool:
        """Whether the call that `task` makes on this connection waits for another transaction; False once it has ended."""
        pid = waiting.get_server_pid()
        while True:
            done, _ = await asyncio.wait({task}, timeout=0.001)
            if done:
                return False
            if await self.watcher.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
                return True

    async def waiting(self, name: str) -> int:
        """How many sessions of this name wait for a lock."""
        return int(
            await self.watcher.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'", name
            )
        )

    async def deadlocks(self) -> int:
        """Deadlocks that the server has had to break in this database."""
        await self.watcher.execute("SELECT pg_stat_clear_snapshot()")
        return int(
            await self.watcher.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )


async def both(one: Awaitable[str], other: Awaitable[str]) -> tuple[str, str]:
    """Start both at the same moment and return both answers."""
    answers = await asyncio.gather(one, other)
    return answers[0], answers[1]
