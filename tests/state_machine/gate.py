"""A gate between two statements of a function: sessions of a name stop there until the test opens it.

The gate is a trigger on a table, in the test's database alone, that waits for an advisory lock.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    import asyncpg

    from tests.state_machine.bench import Bench

_KEY = 7001
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('application_name') = any (tg_argv) THEN
        PERFORM pg_advisory_xact_lock_shared({_KEY});
    END IF;
    RETURN NULL;
END $$"""


@asynccontextmanager
async def gate(bench: Bench, moment: str, who: str = "late") -> AsyncIterator[Gate]:
    """Close a gate at a moment, for example ``AFTER INSERT ON job_references``: sessions of that name stop there."""
    trigger = f"CREATE TRIGGER gate {moment} FOR EACH STATEMENT EXECUTE FUNCTION gate('{who}')"
    await bench.watcher.execute(f"{_FUNCTION}; {trigger}")
    closed = Gate(bench)
    await bench.helper.execute(f"SELECT pg_advisory_lock({_KEY})")
    try:
        yield closed
    finally:
        await closed.open()
        await closed.gather()
        await bench.watcher.execute(f"DROP TRIGGER gate ON {moment.split(' ON ')[1]}")


class Gate:
    """A closed gate and who stands before it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._closed = True
        self._late: dict[asyncio.Task[Any], asyncpg.Connection] = {}

    async def let_come(
        self, connection: asyncpg.Connection, call: Awaitable[Any], *, stops: bool = True
    ) -> asyncio.Task[Any]:
        """Make a call on this connection and return once it waits: at the gate, or, unless it stops there, for who does."""
        await connection.execute(f"SET application_name = '{'late' if stops else ''}'")
        task = asyncio.ensure_future(call)
        self._late[task] = connection
        assert await self._bench.waits_for(connection, task), "it did not come to the gate"
        return task

    async def open(self) -> None:
        """Let all of them go on."""
        if self._closed:
            self._closed = False
            await self._bench.helper.execute(f"SELECT pg_advisory_unlock({_KEY})")

    async def gather(self) -> list[Any]:
        """Return what became of every call, exceptions among them."""
        answers = await asyncio.gather(*self._late, return_exceptions=True)
        for connection in self._late.values():
            await connection.execute("SET application_name = ''")
        return answers
