"""What several files need: robots that die, time that passes, what the tables hold."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue import QueueConfig
    from tests.clock import FrozenClock

TABLES = ("jobs", "dead_letter_queue", "job_history", "job_attempts", "job_references", "routes", "paused_queues")


@contextlib.asynccontextmanager
async def robot_without_heartbeat(config: QueueConfig, **arguments: Any) -> AsyncIterator[PgQueuerConsumer]:
    """A robot whose lifeline is dead from the start; at the end it vanishes and releases nothing."""
    consumer = PgQueuerConsumer(config, **{"robot_id": "doomed", **arguments})
    await consumer.__aenter__()
    await consumer._lifeline.stop()
    try:
        yield consumer
    finally:
        await vanish(consumer)


async def vanish(consumer: PgQueuerConsumer) -> None:
    """Let a robot end as if its machine had lost power: nothing is released, nothing said."""
    consumer._stopped = True
    await consumer._lifeline.stop()
    if consumer._pool is not None:
        consumer._pool.terminate()


async def claim(consumer: PgQueuerConsumer) -> JobModel:
    """Claim the next job; there must be one."""
    job = await consumer.claim_job()
    assert job is not None
    return job


def id_of(job: JobModel) -> UUID:
    """Return the id of a job that has one."""
    assert job.id is not None
    return job.id


async def crash(config: QueueConfig, *, start: bool = True) -> JobModel:
    """Let a robot claim the next job, start it, and vanish."""
    async with robot_without_heartbeat(config) as robot:
        job = await claim(robot)
        if start:
            await robot.start_job(job)
        return job


async def pass_time(clock: FrozenClock, seconds: float) -> None:
    """Let time pass during which somebody did the upkeep all along, and do it once more at the end."""
    await clock._connection.execute(f"""
        UPDATE pgqueuer.frozen_clock SET now = now + {seconds} * interval '1 second';
        UPDATE pgqueuer.upkeep_state SET passed_at = (SELECT now FROM pgqueuer.frozen_clock);
        SELECT pgqueuer.upkeep(true);
    """)


async def pass_retention(clock: FrozenClock) -> None:
    """Let more than 90 days pass: the upkeep drops a week of history at a time."""
    await pass_time(clock, 99 * 86400)
    for _ in range(4):
        await pass_time(clock, 1)


async def contents(connection: asyncpg.Connection, schema: str = "pgqueuer") -> dict[str, list[str]]:
    """Return every row of every table that holds jobs, as text: to show that a call has changed nothing."""
    return {
        table: [
            row["line"]
            for row in await connection.fetch(f'SELECT t::text AS line FROM "{schema}".{table} t ORDER BY 1')
        ]
        for table in TABLES
    }


async def numbers(consumer: PgQueuerConsumer, limit: int = 100) -> list[int]:
    """Claim what there is and return the `n` of the payloads in the order of the claims, one job at a time."""
    found = []
    for _ in range(limit):
        jobs = await consumer.claim_jobs(1)
        if not jobs:
            break
        found.append(jobs[0].payload["n"])
    return found


def jobs(*ns: int, **fields: Any) -> list[JobModel]:
    """Return jobs that carry these numbers."""
    return [JobModel(workflow="w", payload={"n": n}, **fields) for n in ns]
