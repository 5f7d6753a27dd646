"""A database that nobody touched for longer than history is partitioned ahead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig

PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'pgqueuer.job_history'::regclass"


async def test_the_first_job_after_weeks_is_settled_and_runs_once(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="first"))
    await producer.close()
    for row in await connection.fetch(PARTITIONS):
        await connection.execute(f"DROP TABLE {row[0]}")
    await connection.execute(
        "UPDATE pgqueuer.upkeep_state SET passed_at = passed_at - interval '6 weeks', partitioned_at = now() - interval '6 weeks'"
    )
    runs = []

    async def handle(job: JobModel) -> None:
        runs.append(job.attempt)

    async def status() -> str | None:
        found: str | None = await connection.fetchval(
            "SELECT status::text FROM pgqueuer.all_jobs WHERE id = $1", job_id
        )
        return found

    async def is_completed() -> bool:
        return await status() == JobStatus.COMPLETED

    async with PgQueuerConsumer(config, "robot-1") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(is_completed, within=10, why="the job is completed")
        await robot.stop()
        await working
    assert runs == [1]
