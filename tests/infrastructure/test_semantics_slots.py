"""How many jobs a robot holds at once, and how few connections it needs for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import (
    JobFilter,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg


def with_slots(config: QueueConfig, slots: int, **fields: object) -> QueueConfig:
    return QueueConfig.model_validate({**config.model_dump(), "max_concurrent_jobs": slots, **fields})


async def test_run_and_claim_job_at_the_same_moment_take_no_more_than_the_free_slots(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    go_on = asyncio.Event()

    async def handler(_: JobModel) -> None:
        await go_on.wait()

    async with PgQueuerConsumer(with_slots(config, 3), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        await producer.enqueue_batch(jobs(*range(20)))
        for _ in range(5):
            await asyncio.gather(*(consumer.claim_job() for _ in range(3)))
        await eventually(
            lambda: connection.fetchval("SELECT count(*) >= 3 FROM pgqueuer.jobs WHERE lease_token IS NOT NULL")
        )
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs WHERE lease_token IS NOT NULL") == 3
        go_on.set()
        await consumer.stop()
        await task


async def test_one_pooled_connection_is_enough_for_a_robot_with_many_slots(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(*range(100)))
    sessions: list[int] = []

    async def handler(job: JobModel) -> None:
        if job.payload["n"] == 50:
            sessions.append(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name IN ('casare robot r', 'casare lifeline r')"
                )
            )

    async with PgQueuerConsumer(with_slots(config, 20, connection_pool_size=1), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: _all_completed(producer, 100))
        await consumer.stop()
        await task
    assert sessions == [2]


async def _all_completed(producer: PgQueuerProducer, count: int) -> bool:
    return len(await producer.list_jobs(JobFilter(status=JobStatus.COMPLETED), limit=1000)) == count
