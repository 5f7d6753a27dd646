"""Handing jobs back: by hand, and when a robot stops."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, id_of, jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from uuid import UUID

    from tests.conformance.queues import Queue


# Release


async def test_a_release_gives_the_attempt_back_and_leaves_no_trace_of_the_robot(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.release_job(await claim(consumer))
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.crashes, job.error) == (JobStatus.PENDING, 0, 0, None)
    assert (job.claimed_by, job.claimed_at, job.started_at, job.lease_expires_at) == (None,) * 4
    assert (await claim(consumer)).attempt == 1


async def test_release_works_from_claimed_and_from_running(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(0, 1))
    claimed, running = await consumer.claim_jobs(2)
    await consumer.start_job(running)
    for job in (claimed, running):
        await consumer.release_job(job)
        assert (job.status, await producer.get_job_status(id_of(job))) == (JobStatus.PENDING, JobStatus.PENDING)


async def test_a_job_can_be_released_more_often_than_it_has_attempts(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    for _ in range(5):
        await consumer.release_job(await claim(consumer))
    assert await consumer.fail_job(await claim(consumer), "no") is JobStatus.FAILED
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["released"] * 5 + ["failed"]


async def test_a_release_in_the_second_attempt_gives_the_second_one_back(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.fail_job(await claim(consumer), "the ERP was down", retry_in=0)
    await consumer.release_job(await claim(consumer))
    job = await producer.get_job(job_id)
    assert (job.attempt, job.error) == (1, "the ERP was down")
    assert (await claim(consumer)).attempt == 2


async def test_a_released_job_is_taken_at_once_by_another_robot_that_waits(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    held = await claim(consumer)
    async with queue.consumer(config.model_copy(update={"poll_interval": 60}), robot_id="next") as other:
        running = asyncio.create_task(other.run(_nothing))
        await eventually(lambda: other._lifeline.hears_of_jobs)
        began = time.monotonic()
        await consumer.release_job(held)
        await eventually(lambda: _is(producer, job_id, JobStatus.COMPLETED), within=5)
        assert time.monotonic() - began < 3
        await other.stop()
        await running


# Stop


async def test_a_stop_lets_running_handlers_end_within_the_grace_time(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    ids = await producer.enqueue_batch(jobs(0, 1))
    started, go_on = asyncio.Barrier(3), asyncio.Event()

    async def handler(job: JobModel) -> Any:
        await started.wait()
        await go_on.wait()
        return job.payload["n"]

    running = asyncio.create_task(consumer.run(handler))
    await started.wait()
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    await running
    assert [(await producer.get_job(job_id)).result for job_id in ids] == [0, 1]


async def test_a_stop_claims_no_more_while_handlers_get_their_grace(
    config: QueueConfig, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(3)))
    started, go_on = asyncio.Barrier(4), asyncio.Event()

    async def handler(_: JobModel) -> None:
        await started.wait()
        await go_on.wait()

    running = asyncio.create_task(consumer.run(handler))
    await started.wait()
    stopping = asyncio.create_task(consumer.stop())
    waiting = await producer.enqueue_batch(jobs(*range(3, 6)))
    go_on.set()
    await stopping
    await running
    assert await producer.get_queue_depth() == 3
    assert {(await producer.get_job(job_id)).attempt for job_id in waiting} == {0}


async def test_after_the_grace_time_the_rest_is_released_with_its_attempt(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    hasty = config.model_copy(update={"shutdown_grace": 0.1})
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with queue.consumer(hasty, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await started.wait()
        await consumer.stop()
        await running
    job = await producer.get_job(job_id)
    assert cancelled.is_set()
    assert (job.status, job.attempt, job.crashes) == (JobStatus.PENDING, 0, 0)
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["released"]


async def test_a_handler_that_fails_within_the_grace_time_is_settled_as_failed(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        await go_on.wait()
        raise ConnectionError("the ERP was down")

    running = asyncio.create_task(consumer.run(handler))
    await started.wait()
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    await running
    assert await producer.get_job_status(job_id) is JobStatus.FAILED


async def test_claims_by_hand_are_released_too(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    ids = await producer.enqueue_batch(jobs(*range(5)))
    held = await consumer.claim_jobs(5)
    await consumer.start_job(held[0])
    await consumer.complete_job(held[1])
    await consumer.stop()
    found = [await producer.get_job(job_id) for job_id in ids]
    assert [job.status for job in found] == [
        JobStatus.PENDING,
        JobStatus.COMPLETED,
        JobStatus.PENDING,
        JobStatus.PENDING,
        JobStatus.PENDING,
    ]
    assert [job.attempt for job in found] == [0, 1, 0, 0, 0]


async def test_leaving_the_block_with_an_exception_releases_too(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))

    async def claim_and_break() -> None:
        async with queue.consumer(config, robot_id="r") as consumer:
            await claim(consumer)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await claim_and_break()
    assert await producer.get_job_status(job_id) is JobStatus.PENDING


async def test_cancelling_the_task_that_runs_stops_and_releases(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    hasty = config.model_copy(update={"shutdown_grace": 0.0})
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    started = asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        await asyncio.Event().wait()

    async with queue.consumer(hasty, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: _is(producer, job_id, JobStatus.PENDING))


async def test_stopping_twice_and_at_once_is_safe(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    running = asyncio.create_task(consumer.run(_nothing))
    await producer.enqueue_batch(jobs(*range(10)))
    await asyncio.gather(*(consumer.stop() for _ in range(3)))
    await running
    await consumer.stop()


async def test_a_stop_before_the_first_claim_ends_run(consumer: PgQueuerConsumer) -> None:
    running = asyncio.create_task(consumer.run(_nothing))
    await asyncio.sleep(0)
    await consumer.stop()
    await asyncio.wait_for(running, 5)


async def test_a_stopped_robot_claims_no_more(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.stop()
    for call in (consumer.claim_job(), consumer.claim_jobs(1), consumer.run(_nothing)):
        with pytest.raises(ConfigError, match="the consumer is not open"):
            await call
    assert await producer.get_queue_depth() == 1


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _is(producer: PgQueuerProducer, job_id: UUID, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status
