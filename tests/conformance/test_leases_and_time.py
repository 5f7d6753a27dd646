"""What becomes of leases and of due jobs as time passes: who notices, who is told, and what an outage does not cost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, crash, id_of, jobs, pass_retention, pass_time, robot_without_heartbeat
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue

HELD = JobFilter(status=[JobStatus.CLAIMED, JobStatus.RUNNING])


async def test_the_handler_of_a_lost_job_is_cancelled_and_settles_nothing(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(consumer.run(handler))
    await started.wait()
    await pass_time(clock, 31)
    consumer._lifeline.beat_now()
    await asyncio.wait_for(cancelled.wait(), 5)
    await consumer.stop()
    await running
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.dead_letter_reason) == (JobStatus.FAILED, 1, "exhausted")
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["expired"]


async def test_a_robot_that_claims_a_lost_job_again_ends_its_first_handler_of_it(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    events: list[str] = []
    go_on = asyncio.Event()

    async def handler(job: JobModel) -> int:
        events.append(f"{job.attempt} began")
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            events.append(f"{job.attempt} cancelled")
            raise
        return job.attempt

    running = asyncio.create_task(consumer.run(handler))
    await eventually(lambda: events == ["1 began"])
    await pass_time(clock, 31)
    await eventually(lambda: {"1 cancelled", "2 began"} <= set(events))
    go_on.set()
    job = await producer.wait_for(job_id, timeout=10)
    await consumer.stop()
    await running
    assert (job.result, job.attempt) == (2, 2)
    assert {attempt.outcome for attempt in await producer.get_attempts(job_id)} == {"expired", "completed"}


async def test_a_gap_in_the_upkeep_is_added_to_every_lease(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    await pass_time(clock, 1)
    ids = await producer.enqueue_batch(jobs(0, 1))
    async with robot_without_heartbeat(queue, config) as robot:
        await robot.claim_jobs(2)
        now = await clock.advance(3600)
        await clock.upkeep()
        for job_id in ids:
            job = await producer.get_job(job_id)
            assert (job.status, job.lease_expires_at) == (JobStatus.CLAIMED, now + timedelta(seconds=30))
        await pass_time(clock, 29.9)
        assert await producer.get_job_status(ids[0]) is JobStatus.CLAIMED
        await pass_time(clock, 0.2)
        assert await producer.get_job_status(ids[0]) is JobStatus.PENDING


async def test_an_expired_lease_that_nobody_took_may_still_be_renewed(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=4))
    await claim(consumer)
    await clock.hold_off_upkeep()
    later = await clock.advance(6)
    consumer._lifeline.beat_now()

    async def renewed() -> bool:
        job = await producer.get_job(job_id)
        return job.lease_expires_at is not None and job.lease_expires_at > later

    await eventually(renewed)
    await pass_time(clock, 3)
    assert await producer.get_job_status(job_id) is JobStatus.CLAIMED


async def test_a_producer_alone_puts_back_what_a_dead_robot_held(
    queue: Queue, config: QueueConfig, clock: Clock
) -> None:
    await pass_time(clock, 0)
    async with queue.producer(config) as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=3))
        await crash(queue, config)
        await clock.advance(4)
        await eventually(lambda: _is(producer, job_id, JobStatus.PENDING))


async def test_a_robot_alone_puts_back_what_a_dead_robot_held_and_does_it(
    queue: Queue, config: QueueConfig, clock: Clock
) -> None:
    async with queue.producer(config) as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=3))
    await pass_time(clock, 0)
    await crash(queue, config)
    await clock.advance(4)
    done: list[JobModel] = []

    async def handler(job: JobModel) -> None:
        done.append(job)

    async with queue.consumer(config, "next") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: done)
        await consumer.stop()
        await running
    assert [(job.id, job.attempt) for job in done] == [(job_id, 2)]


async def test_an_idle_robot_takes_a_job_at_the_moment_it_is_due(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=0.4)
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=due))
    async with queue.consumer(config.model_copy(update={"poll_interval": 60}), "r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        job = await producer.wait_for(job_id, timeout=5)
        await consumer.stop()
        await running
    assert job.claimed_at is not None
    assert 0 <= (job.claimed_at - due).total_seconds() < 0.5


async def test_a_robot_that_waits_is_told_of_what_the_upkeep_made_ready(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    async with queue.consumer(config.model_copy(update={"poll_interval": 60}), "r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        due = await clock.now() + timedelta(hours=1)
        job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=due))
        await pass_time(clock, 3600)
        await producer.wait_for(job_id, timeout=4)
        await consumer.stop()
        await running


@pytest.mark.parametrize("side", ["producer", "consumer"])
async def test_without_a_dead_letter_queue_a_job_ends_failed_in_history(
    queue: Queue, config: QueueConfig, side: str
) -> None:
    without = config.model_copy(update={"enable_dlq": False})
    producers, consumers = (without, config) if side == "producer" else (config, without)
    async with queue.producer(producers) as producer, queue.consumer(consumers, "r") as consumer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
        assert await consumer.fail_job(await claim(consumer), "the ERP was down") is JobStatus.FAILED
        job = await producer.get_job(job_id)
        assert (job.status, job.error, job.dead_letter_reason) == (JobStatus.FAILED, "the ERP was down", None)
        assert await producer.list_dead_letters() == []
        assert await producer.redrive_jobs([job_id]) == []
        assert await producer.cancel_job(job_id) is False
        assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["failed"]


async def test_history_is_kept_for_90_days_and_then_dropped_with_its_reference(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0, reference="r"))
    await consumer.fail_job(await claim(consumer), "no")
    await consumer.complete_job(await claim(consumer))
    for _ in range(4):
        await pass_time(clock, 22.4 * 86400)
    assert await producer.get_job_status(job_id) is JobStatus.COMPLETED
    assert len(await producer.get_attempts(job_id)) == 2
    await pass_retention(clock)
    with pytest.raises(JobNotFound):
        await producer.get_job(job_id)
    await producer.enqueue_job(JobModel(workflow="w", reference="r"))


async def test_a_stopped_robot_leaves_no_lease_that_could_run_out(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    ids = await producer.enqueue_batch(jobs(*range(30)))
    running = asyncio.create_task(consumer.run(_nothing))
    await producer.wait_for(ids[3], timeout=10)
    await consumer.stop()
    await running
    assert await producer.list_jobs(HELD) == []


async def test_run_never_holds_more_than_its_slots(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    ids = await producer.enqueue_batch(jobs(*range(40)))
    held: list[int] = []

    async def handler(_: JobModel) -> None:
        held.append(len(await producer.list_jobs(HELD)))

    async with queue.consumer(config.model_copy(update={"max_concurrent_jobs": 4}), "r") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        for job_id in ids:
            await producer.wait_for(job_id, timeout=10)
        await consumer.stop()
        await running
    assert len(held) == 40
    assert 1 < max(held) <= 4


async def test_a_healthy_queue_says_so_whether_or_not_the_producer_is_open(queue: Queue, config: QueueConfig) -> None:
    closed = queue.producer(config)
    async with queue.producer(config) as opened:
        for producer in (closed, opened):
            health = await producer.health_check()
            assert (health.ok, health.error) == (True, None)
            assert health.latency_ms is not None
            assert health.schema_version is not None


async def test_a_job_is_looked_up_by_its_id_as_text(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert id_of(await producer.get_job(str(job_id))) == job_id


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _is(producer: PgQueuerProducer, job_id: object, status: JobStatus) -> bool:
    return await producer.get_job_status(str(job_id)) is status
