"""How many buffers a call to the queue touches, its nested statements included; and waiting jobs to measure against."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from casare_rpa.foundation.ids import new_job_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

ROBOT = UUID(int=7)
CLAIM = "SELECT * FROM pgqueuer.settle_and_claim($1, $2, 'robot', $3, 1, '{}', 30, true, true, $4, $5)"
SETTLE = "SELECT * FROM pgqueuer.settle_jobs($1, $2, $3)"
START = "SELECT * FROM pgqueuer.start_jobs($1, $2)"
HEARTBEAT = "SELECT * FROM pgqueuer.heartbeat('robot', $1, $2, $3, $4, 0, '{}')"
ENQUEUE = "SELECT * FROM pgqueuer.enqueue_jobs($1, NULL, $2, $3, $4, $5)"
UPKEEP = "SELECT pgqueuer.upkeep()"
FIND = "SELECT * FROM pgqueuer.find_job($1)"
CANCEL = "SELECT pgqueuer.cancel_job($1)"

ENOUGH_FOR_A_GENERIC_PLAN = 7
"""Calls after which PostgreSQL has decided whether to keep a plan that knows no arguments."""


async def buffers(connection: asyncpg.Connection, sql: str, *arguments: Any, before: str = "", times: int = 2) -> int:
    """Return the shared buffers that a call hits or reads, after something was done `before`. All effects are rolled back.

    It is made twice: when somebody has changed what the system knows of a table, a session first reads that anew.
    """
    return min([await _buffers_once(connection, sql, arguments, before) for _ in range(times)])


async def _buffers_once(connection: asyncpg.Connection, sql: str, arguments: tuple[Any, ...], before: str) -> int:
    transaction = connection.transaction()
    await transaction.start()
    try:
        if before:
            await connection.execute(before)
        [[text]] = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments)
    finally:
        await transaction.rollback()
    plan = json.loads(text)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def claim_buffers(
    connection: asyncpg.Connection, queue: str, limit: int, routes: Sequence[int] = (), floors: Sequence[int] = ()
) -> int:
    return await buffers(connection, CLAIM, queue, limit, ROBOT, list(routes), list(floors))


def jobs_of(
    queue: str, jobs: int, *, run_at: datetime | None = None, reference: str | None = None, **template: Any
) -> tuple[Any, ...]:
    """Return the arguments of ENQUEUE for so many jobs; `template` is what they have in common beside the queue."""
    return (
        json.dumps([{"workflow": "measured", "queue_name": queue, **template}]),
        [
            UUID(bytes=job_id) for job_id in new_job_ids(jobs)
        ],  # as programs make them: where random ones come to lie differs from run to run
        ['{"invoice": 7}'] * jobs,
        [f"{reference}-{n}" for n in range(jobs)] if reference else None,
        [run_at] * jobs if run_at else None,
    )


async def fill(connection: asyncpg.Connection, queue: str, jobs: int, **what: Any) -> list[UUID]:
    """Enqueue so many jobs and return their ids."""
    arguments = jobs_of(queue, jobs, **what)
    await connection.fetch(ENQUEUE, *arguments)
    ids: list[UUID] = arguments[1]
    return ids


async def hold(connection: asyncpg.Connection, queue: str, jobs: int) -> tuple[list[UUID], list[UUID]]:
    """Claim so many jobs for good and return their ids and tokens."""
    rows = [row for row in await connection.fetch(CLAIM, queue, jobs, ROBOT, [], []) if row["id"] is not None]
    return [row["id"] for row in rows], [row["lease_token"] for row in rows]


async def warm_up(connection: asyncpg.Connection) -> None:
    """Let this session plan every call, until its plans are those that it keeps; leave no job behind."""
    for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
        [cancelled, *_] = await fill(connection, "warm", 4, reference=uuid4().hex)
        await connection.fetch(CANCEL, cancelled)
        ids, tokens = await hold(connection, "warm", 3)
        await connection.fetch(START, ids, tokens)
        await connection.fetch(HEARTBEAT, ROBOT, "warm", ids, tokens)
        await connection.fetch(SETTLE, ids, tokens, ["completed", "business", "released"])
        await connection.fetch(FIND, ids[0])
        await connection.fetch("SELECT pgqueuer.upkeep(true)")
    await connection.fetch("SELECT pgqueuer.purge_queue('warm')")


async def hold_off_upkeep(connection: asyncpg.Connection) -> None:
    """Let no claim do the upkeep beside its own work."""
    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() + interval '1 day'")


async def let_upkeep_be_due(connection: asyncpg.Connection) -> None:
    """Let the next upkeep look at leases and due jobs, but not at partitions."""
    await connection.execute(
        "UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '2 seconds',"
        " partitioned_at = clock_timestamp()"
    )
