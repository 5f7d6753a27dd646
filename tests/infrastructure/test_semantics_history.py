"""What is remembered: every ended attempt, and every job wherever it lives, until retention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import claim, jobs, pass_retention, pass_time

if TYPE_CHECKING:
    import asyncpg

    from tests.clock import FrozenClock


async def test_a_settled_job_leaves_the_hot_table_and_stands_in_history_once(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    ids = await producer.enqueue_batch(jobs(*range(5)))
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        for job in await consumer.claim_jobs(4):
            await consumer.complete_job(job)
    await producer.cancel_job(ids[4])
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 0
    rows = await connection.fetch("SELECT id, status FROM pgqueuer.job_history")
    assert {row["id"] for row in rows} == set(ids)
    assert sorted(row["status"] for row in rows) == ["CANCELLED"] + ["COMPLETED"] * 4


async def test_history_is_kept_for_90_days_and_then_dropped_with_its_attempts(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0))
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        await consumer.fail_job(await claim(consumer), "no")
        await consumer.complete_job(await claim(consumer))
    for _ in range(4):
        await pass_time(clock, 22.4 * 86400)
    assert await producer.get_job_status(job_id) is JobStatus.COMPLETED
    assert len(await producer.get_attempts(job_id)) == 2
    await pass_retention(clock)
    with pytest.raises(JobNotFound):
        await producer.get_job(job_id)
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_attempts") == 0
