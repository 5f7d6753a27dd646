"""A job with `run_at` waits for its time, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, robot_id="robot-1") as opened:
        yield opened


async def test_upkeep_tells_the_robots_what_has_become_due(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    lazy = config.model_copy(update={"poll_interval": 60})
    async with PgQueuerConsumer(lazy, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        job_id = await connection.fetchval(
            "SELECT pgqueuer.enqueue_job('w', p_run_at => clock_timestamp() + interval '0.2 seconds', p_notify => false)"
        )
        await eventually(lambda: _is(producer, job_id, JobStatus.COMPLETED))
        await consumer.stop()
        await running


async def test_with_a_free_robot_no_job_waits_longer_than_5_seconds_although_nobody_was_told(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        job_id = await connection.fetchval("SELECT pgqueuer.enqueue_job('w', p_notify => false)")
        began = time.monotonic()
        await eventually(lambda: _is(producer, job_id, JobStatus.COMPLETED), within=8)
        assert time.monotonic() - began < 5.5
        await consumer.stop()
        await running


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _is(producer: PgQueuerProducer, job_id: object, status: JobStatus) -> bool:
    return await producer.get_job_status(str(job_id)) is status
