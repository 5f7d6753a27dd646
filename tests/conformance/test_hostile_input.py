"""What strangers put in through SQL, and what handlers bring that nobody foresaw: one bad job never harms the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerProducer, QueueConfig
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.conformance.queues import Queue


class Unreadable(Mapping[str, Any]):
    """A lazy result whose source is gone."""

    def __getitem__(self, key: str) -> Any:
        raise OSError("the source is gone")

    def __iter__(self) -> Iterator[str]:
        raise OSError("the source is gone")

    def __len__(self) -> int:
        return 1


class Unprintable(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


def brings_what_cannot_be_read(_: JobModel) -> Any:
    return Unreadable()


def raises_what_cannot_be_printed(_: JobModel) -> Any:
    raise Unprintable


def raises_generator_exit(_: JobModel) -> Any:
    raise GeneratorExit


def empties_its_model(job: JobModel) -> Any:
    job.id = None
    return "done"


@pytest.mark.parametrize(
    ("behave", "ends"),
    [
        (brings_what_cannot_be_read, JobStatus.FAILED),
        (raises_what_cannot_be_printed, JobStatus.FAILED),
        (raises_generator_exit, JobStatus.FAILED),
        (empties_its_model, JobStatus.COMPLETED),
    ],
)
async def test_whatever_a_handler_does_its_attempt_ends_and_the_slot_is_free(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, behave: Callable[[JobModel], Any], ends: JobStatus
) -> None:
    odd = await producer.enqueue_job(JobModel(workflow="odd", max_retries=1))
    after = await producer.enqueue_job(JobModel(workflow="plain"))

    async def handle(job: JobModel) -> Any:
        return behave(job) if job.workflow == "odd" else "done"

    one_slot = config.model_copy(update={"max_concurrent_jobs": 1})
    async with queue.consumer(one_slot, "r") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: _is(producer, after, JobStatus.COMPLETED))
        assert await producer.get_job_status(odd) is ends
        await robot.stop()
        await working


async def test_a_handler_that_cancels_itself_has_failed(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))

    async def handle(_: JobModel) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with queue.consumer(config, "r") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: _is(producer, job_id, JobStatus.FAILED))
        await robot.stop()
        await working
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["failed"]


async def _is(producer: PgQueuerProducer, job_id: UUID, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status
