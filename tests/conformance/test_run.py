"""`run`: claims straight into RUNNING, awaits the handler, settles with what it returns or raises."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    BusinessError,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from tests.conformance.queues import Queue


@contextlib.asynccontextmanager
async def robot_running(
    queue: Queue, config: QueueConfig, handler: Callable[[JobModel], Awaitable[Any]]
) -> AsyncIterator[PgQueuerConsumer]:
    """A robot at work until the end of the block."""
    async with queue.consumer(config, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        yield consumer
        await consumer.stop()
        await running


async def ended(producer: PgQueuerProducer, job_id: UUID) -> JobModel:
    """Wait until a job is final and return it."""

    async def final() -> JobModel | None:
        job = await producer.get_job(job_id)
        return job if job.status.is_final else None

    job = await eventually(final)
    assert isinstance(job, JobModel)
    return job


async def test_a_handler_gets_the_whole_job_and_it_is_running(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(
        JobModel(workflow="invoices", payload={"invoice": 7}, tags=["a"], metadata={"m": 1}, reference="r", priority=9)
    )
    got: list[tuple[JobModel, JobModel]] = []

    async def handler(job: JobModel) -> None:
        got.append((job, await producer.get_job(job_id)))

    async with robot_running(queue, config, handler):
        await ended(producer, job_id)
    job, found = got[0]
    assert (job.id, job.status, job.attempt) == (job_id, JobStatus.RUNNING, 1)
    assert (job.workflow, job.payload, job.tags, job.metadata) == ("invoices", {"invoice": 7}, ["a"], {"m": 1})
    assert (job.reference, job.priority, job.claimed_by) == ("r", 9, "r")
    assert job.started_at is not None
    assert job.started_at == job.claimed_at == found.started_at
    assert found.status is JobStatus.RUNNING


async def test_what_the_handler_returns_is_the_result(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))

    async def handler(_: JobModel) -> Any:
        return {"total": 12, "lines": [1, 2]}

    async with robot_running(queue, config, handler):
        job = await ended(producer, job_id)
    assert (job.status, job.result) == (JobStatus.COMPLETED, {"total": 12, "lines": [1, 2]})


async def test_an_exception_fails_the_attempt_with_its_traceback_and_is_retried(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0))

    async def look_up() -> None:
        raise ConnectionError("the ERP was down")

    async def handler(job: JobModel) -> str:
        if job.attempt < 3:
            await look_up()
        return "third time lucky"

    async with robot_running(queue, config, handler):
        job = await ended(producer, job_id)
    assert (job.status, job.result, job.attempt) == (JobStatus.COMPLETED, "third time lucky", 3)
    attempts = await producer.get_attempts(job_id)
    assert [attempt.outcome for attempt in attempts] == ["failed", "failed", "completed"]
    error = attempts[0].error or ""
    assert error.startswith("ConnectionError: the ERP was down\nTraceback (most recent call last):")
    assert "in look_up" in error


async def test_after_the_last_exception_the_job_is_a_dead_letter_with_the_error(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0))

    async def handler(job: JobModel) -> None:
        raise RuntimeError(f"attempt {job.attempt}")

    async with robot_running(queue, config, handler):
        job = await ended(producer, job_id)
    assert (job.status, job.attempt, job.dead_letter_reason) == (JobStatus.FAILED, 3, "exhausted")
    assert (job.error or "").startswith("RuntimeError: attempt 3\n")


async def test_a_business_error_is_not_retried(queue: Queue, config: QueueConfig, producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))

    async def handler(_: JobModel) -> None:
        raise BusinessError("invoice 7 has no customer")

    async with robot_running(queue, config, handler):
        job = await ended(producer, job_id)
    assert (job.status, job.attempt, job.dead_letter_reason) == (JobStatus.FAILED, 1, "business")
    assert job.error == "BusinessError: invoice 7 has no customer"


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ({"x": {1, 2}}, "result.x is of type set, which JSON cannot hold"),
        (float("nan"), "result is nan, which JSON cannot hold"),
        ("x" * 1_048_576, "result has 1048578 bytes as JSON, more than the limit of 1048576"),
    ],
    ids=["a set", "NaN", "too large"],
)
async def test_a_result_that_cannot_be_stored_is_a_dead_letter_with_a_clear_error(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, result: Any, error: str
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))

    async def handler(_: JobModel) -> Any:
        return result

    async with robot_running(queue, config, handler):
        job = await ended(producer, job_id)
    assert (job.status, job.attempt, job.dead_letter_reason) == (JobStatus.FAILED, 1, "business")
    assert job.error == error


async def test_sys_exit_in_a_handler_ends_its_job_and_not_the_robot(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    ids = await producer.enqueue_batch(jobs(0, 1, max_retries=1))

    async def handler(job: JobModel) -> str:
        if job.payload["n"] == 0:
            sys.exit(3)
        return "still here"

    async with robot_running(queue, config.model_copy(update={"max_concurrent_jobs": 1}), handler):
        first, second = [await ended(producer, job_id) for job_id in ids]
    assert (first.status, (first.error or "").split("\n")[0]) == (JobStatus.FAILED, "SystemExit: 3")
    assert second.result == "still here"


async def test_a_handler_that_cancels_itself_does_not_run_for_ever(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=2, retry_delay=0))

    async def handler(_: JobModel) -> None:
        raise asyncio.CancelledError

    async with robot_running(queue, config, handler):
        assert (await ended(producer, job_id)).dead_letter_reason == "exhausted"


async def test_a_robot_that_waits_is_told_of_a_job_at_once_and_does_not_find_it_by_polling(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    claimed: dict[int, float] = {}

    async def handler(job: JobModel) -> None:
        claimed[job.payload["n"]] = time.monotonic()

    async with robot_running(queue, config.model_copy(update={"poll_interval": 60}), handler) as consumer:
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        waits = []
        for n in range(10):
            enqueued = time.monotonic()
            await producer.enqueue_job(*jobs(n))
            await eventually(partial(claimed.__contains__, n), within=4)
            waits.append(claimed[n] - enqueued)
    assert min(waits) < 0.1
