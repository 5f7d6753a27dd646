"""A job with `run_at` waits for its time, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.infrastructure.helpers import claim, id_of, jobs, numbers, pass_time
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from tests.clock import FrozenClock


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, robot_id="robot-1") as opened:
        yield opened


async def test_a_job_is_claimed_when_it_is_due_and_not_before(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: FrozenClock
) -> None:
    due = await clock.now() + timedelta(seconds=60)
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=due))
    await pass_time(clock, 59.9)
    assert await consumer.claim_job() is None
    await pass_time(clock, 0.2)
    job = await claim(consumer)
    assert (id_of(job), job.run_at) == (job_id, due)


async def test_a_time_past_is_now(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    moment = datetime(1999, 12, 31, tzinfo=UTC)
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=moment))
    assert await producer.get_queue_depth() == 1
    assert id_of(await claim(consumer)) == job_id
    assert (await producer.get_job(job_id)).run_at == moment


async def test_a_time_past_does_not_go_before_those_that_came_earlier(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(*jobs(0))
    await producer.enqueue_job(*jobs(1, run_at=datetime(1999, 12, 31, tzinfo=UTC)))
    await producer.enqueue_job(*jobs(2))
    assert await numbers(consumer) == [0, 1, 2]


async def test_the_databases_clock_decides_when_a_job_is_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: FrozenClock
) -> None:
    await clock.advance(-3600)
    await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) - timedelta(seconds=60)))
    assert await consumer.claim_job() is None
    await pass_time(clock, 3600)
    await claim(consumer)


async def test_deferred_jobs_of_high_priority_do_not_hold_up_the_others(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: FrozenClock
) -> None:
    later = await clock.now() + timedelta(hours=1)
    await producer.enqueue_batch([*jobs(*range(100, 200), priority=20, run_at=later), *jobs(0, 1, 2)])
    assert await numbers(consumer) == [0, 1, 2]


async def test_the_depth_counts_only_what_is_due(producer: PgQueuerProducer, clock: FrozenClock) -> None:
    now = await clock.now()
    await producer.enqueue_batch(
        [
            *jobs(0, 1),
            *jobs(2, run_at=now),
            *jobs(3, run_at=now - timedelta(days=1)),
            *jobs(4, run_at=now + timedelta(seconds=5)),
            *jobs(5, run_at=now + timedelta(days=1)),
        ]
    )
    assert await producer.get_queue_depth() == 4
    await clock.advance(5)
    assert await producer.get_queue_depth() == 5


async def test_due_jobs_go_in_the_order_in_which_they_became_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: FrozenClock
) -> None:
    now = await clock.now()
    for n in (3, 1, 2, 0):
        await producer.enqueue_job(*jobs(n, run_at=now + timedelta(seconds=60 + n)))
    await pass_time(clock, 70)
    assert await numbers(consumer) == [0, 1, 2, 3]


async def test_a_job_takes_its_place_when_it_is_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: FrozenClock
) -> None:
    await producer.enqueue_job(*jobs(1, run_at=await clock.now() + timedelta(seconds=60)))
    await producer.enqueue_job(*jobs(0))
    await pass_time(clock, 61)
    await producer.enqueue_job(*jobs(2))
    assert await numbers(consumer) == [0, 1, 2]


async def test_an_idle_robot_takes_a_job_at_the_moment_it_is_due(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    lazy = config.model_copy(update={"poll_interval": 60})
    due = await connection.fetchval("SELECT clock_timestamp() + interval '0.4 seconds'")
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=due))
    async with PgQueuerConsumer(lazy, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: _is(producer, job_id, JobStatus.COMPLETED), within=5)
        await consumer.stop()
        await running
    claimed = (await producer.get_job(job_id)).claimed_at
    assert claimed is not None
    assert 0 <= (claimed - due).total_seconds() < 0.5


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


async def test_a_deferred_job_can_be_looked_up_and_cancelled(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) + timedelta(days=1)))
    assert await producer.get_job_status(job_id) is JobStatus.PENDING
    assert await producer.cancel_job(job_id) is True
    assert await producer.get_job_status(job_id) is JobStatus.CANCELLED


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
