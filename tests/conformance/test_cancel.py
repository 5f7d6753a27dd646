"""Cancelling a job in every state of its life."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    BusinessError,
    JobModel,
    JobNotFound,
    JobStatus,
    LeaseLost,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, contents, id_of, pass_time, robot_without_heartbeat
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue


async def test_a_pending_job_is_cancelled_at_once(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert await producer.cancel_job(job_id) is True
    job = await producer.get_job(job_id)
    assert job.status is JobStatus.CANCELLED
    assert job.finished_at is not None
    assert job.cancel_requested_at == job.finished_at
    assert await consumer.claim_job() is None
    assert await producer.get_queue_depth() == 0


async def test_a_deferred_job_is_cancelled_at_once(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) + timedelta(days=1)))
    assert await producer.cancel_job(job_id) is True
    assert await producer.get_job_status(job_id) is JobStatus.CANCELLED


async def test_a_job_that_waits_for_its_retry_is_cancelled_at_once(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.fail_job(await claim(consumer), "no")
    assert await producer.cancel_job(job_id) is True
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.error) == (JobStatus.CANCELLED, 1, "no")
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["failed"]


async def test_a_claimed_job_is_cancelled_at_once_and_cannot_be_started_any_more(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    assert await producer.cancel_job(job_id) is True
    found = await producer.get_job(job_id)
    assert (found.status, found.claimed_by) == (JobStatus.CANCELLED, "robot-1")
    before = await contents(queue)
    with pytest.raises(LeaseLost):
        await consumer.start_job(job)
    with pytest.raises(LeaseLost):
        await consumer.complete_job(job)
    assert await contents(queue) == before
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["cancelled"]


async def test_the_handler_of_a_running_job_is_cancelled_soon_and_long_before_the_next_heartbeat(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    started = asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(consumer.run(handler))
    await started.wait()
    assert consumer._leases.heartbeat_interval() == 15
    asked = time.monotonic()
    assert await producer.cancel_job(job_id) is True
    await eventually(lambda: _is(producer, job_id, JobStatus.CANCELLED), within=5)
    assert time.monotonic() - asked < 3
    await consumer.stop()
    await running
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["cancelled"]


async def test_a_running_job_runs_on_until_its_robot_has_heard(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(queue, config) as robot:
        await robot.start_job(await claim(robot))
        assert await producer.cancel_job(job_id) is True
        assert await producer.cancel_job(job_id) is True
        job = await producer.get_job(job_id)
        assert job.status is JobStatus.RUNNING
        assert job.cancel_requested_at is not None


async def test_a_robot_that_settles_by_hand_is_told_and_releases(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    await consumer.start_job(job)
    assert not consumer.cancel_requested(job)
    await producer.cancel_job(job_id)
    await eventually(lambda: consumer.cancel_requested(job), within=5)
    await consumer.release_job(job)
    assert job.status is JobStatus.CANCELLED
    assert await producer.get_job_status(job_id) is JobStatus.CANCELLED
    assert await consumer.claim_job() is None


async def test_a_failure_after_the_request_leaves_cancelled(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(queue, config) as robot:
        job = await claim(robot)
        await robot.start_job(job)
        await producer.cancel_job(job_id)
        assert await robot.fail_job(job, "stopped half-way") is JobStatus.CANCELLED
    found = await producer.get_job(job_id)
    assert (found.status, found.error) == (JobStatus.CANCELLED, "stopped half-way")


async def test_a_job_that_completes_before_it_hears_of_the_request_is_completed(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(queue, config) as robot:
        job = await claim(robot)
        await robot.start_job(job)
        assert await producer.cancel_job(job_id) is True
        await robot.complete_job(job, result="done all the same")
    found = await producer.get_job(job_id)
    assert (found.status, found.result) == (JobStatus.COMPLETED, "done all the same")


async def test_a_robot_that_dies_after_being_asked_leaves_cancelled(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(queue, config) as robot:
        await robot.start_job(await claim(robot))
        await producer.cancel_job(job_id)
    await pass_time(clock, 31)
    assert await producer.get_job_status(job_id) is JobStatus.CANCELLED
    assert await producer.get_queue_depth() == 0


async def test_a_handler_may_clean_up_when_its_job_is_cancelled(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    started, cleaned_up = asyncio.Event(), asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned_up.set()

    running = asyncio.create_task(consumer.run(handler))
    await started.wait()
    await producer.cancel_job(job_id)
    await eventually(lambda: _is(producer, job_id, JobStatus.CANCELLED))
    assert cleaned_up.is_set()
    await consumer.stop()
    await running


@pytest.mark.parametrize("final", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
async def test_a_final_job_cannot_be_cancelled_and_stays_as_it_is(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer, final: JobStatus
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    if final is JobStatus.CANCELLED:
        await producer.cancel_job(job_id)
    else:
        job = await claim(consumer)
        if final is JobStatus.COMPLETED:
            await consumer.complete_job(job)
        else:
            await consumer.fail_job(job, "no", business=True)
    before = await contents(queue)
    assert await producer.cancel_job(job_id) is False
    assert await contents(queue) == before
    assert await producer.get_job_status(job_id) is final


async def test_an_unknown_job_cannot_be_cancelled(producer: PgQueuerProducer) -> None:
    job_id = uuid4()
    with pytest.raises(JobNotFound, match=f"there is no job {job_id}"):
        await producer.cancel_job(job_id)


async def test_a_purged_job_is_unknown(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await producer.purge_queue()
    for call in (producer.cancel_job, producer.get_job, producer.get_job_status, producer.get_attempts):
        with pytest.raises(JobNotFound):
            await call(job_id)


async def test_cancelling_one_job_leaves_the_others_of_the_robot_alone(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w", payload={"n": n}) for n in range(3)])
    go_on = asyncio.Event()

    async def handler(job: JobModel) -> int:
        await go_on.wait()
        if job.payload["n"] == 2:
            raise BusinessError("no")
        return 1

    running = asyncio.create_task(consumer.run(handler))
    await eventually(lambda: _is(producer, ids[2], JobStatus.RUNNING))
    await producer.cancel_job(ids[0])
    await eventually(lambda: _is(producer, ids[0], JobStatus.CANCELLED))
    go_on.set()
    await eventually(lambda: _is(producer, ids[1], JobStatus.COMPLETED))
    await eventually(lambda: _is(producer, ids[2], JobStatus.FAILED))
    await consumer.stop()
    await running


async def test_a_job_cancelled_in_the_moment_of_its_claim_is_never_half_cancelled(
    config: QueueConfig, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(40)])
    claiming = asyncio.create_task(consumer.claim_jobs(40))
    assert all(await asyncio.gather(*(producer.cancel_job(job_id) for job_id in reversed(ids))))
    claimed = await claiming
    for job_id in ids:
        assert await producer.get_job_status(job_id) is JobStatus.CANCELLED
    for job in claimed:
        with pytest.raises(LeaseLost):
            await consumer.start_job(job)
        assert id_of(job) in ids


async def _is(producer: PgQueuerProducer, job_id: object, status: JobStatus) -> bool:
    return await producer.get_job_status(str(job_id)) is status
