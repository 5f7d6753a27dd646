"""`run`: claims straight into RUNNING, awaits the handler, settles with what it returns or raises."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    SchemaMissing,
)
from tests.infrastructure.helpers import jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    import asyncpg


@contextlib.asynccontextmanager
async def robot_running(
    config: QueueConfig, handler: Callable[[JobModel], Awaitable[Any]]
) -> AsyncIterator[PgQueuerConsumer]:
    """A robot at work until the end of the block."""
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
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


async def test_a_result_that_only_postgresql_finds_too_large_is_a_dead_letter_too(
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    tried: list[int] = []

    async def handler(job: JobModel) -> Any:
        tried.append(job.attempt)
        return [1e300] * 20_000  # written out, each of them has 301 digits

    async with robot_running(config, handler):
        job = await ended(producer, job_id)
    assert (job.status, job.dead_letter_reason, tried) == (JobStatus.FAILED, "business", [1])
    assert "more than the limit of 1048576" in (job.error or "")


async def test_one_bad_result_does_not_harm_those_settled_with_it(
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    ids = await producer.enqueue_batch(jobs(*range(30)))
    all_there = asyncio.Barrier(30)

    async def handler(job: JobModel) -> Any:
        await all_there.wait()
        return [1e300] * 20_000 if job.payload["n"] == 7 else job.payload["n"]

    async with robot_running(config.model_copy(update={"max_concurrent_jobs": 30, "batch_size": 30}), handler):
        found = [await ended(producer, job_id) for job_id in ids]
    assert [job.result for job in found] == [None if n == 7 else n for n in range(30)]
    assert [job.attempt for job in found] == [1] * 30


async def test_run_ends_with_a_clear_error_when_the_database_refuses_the_robot(
    config: QueueConfig, connection: asyncpg.Connection
) -> None:
    async def handler(_: JobModel) -> None:
        """Nothing to do."""

    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        await connection.execute("DROP SCHEMA pgqueuer CASCADE")
        with pytest.raises(SchemaMissing, match="run `casare migrate`"):
            await asyncio.wait_for(consumer.run(handler), 10)
