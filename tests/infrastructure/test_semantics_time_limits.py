"""An attempt may run so long and no longer, whatever its handler does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg


async def test_a_hung_handler_that_cannot_be_cancelled_loses_its_job_to_another_robot(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", time_limit=0.1))
    let_go = asyncio.Event()

    async def hangs(_: JobModel) -> str:
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await let_go.wait()
        return "too late"

    async def works(_: JobModel) -> str:
        return "in time"

    short = config.model_copy(update={"max_concurrent_jobs": 1, "visibility_timeout": 0.3})
    async with PgQueuerConsumer(short, robot_id="hung") as hung:
        hanging = asyncio.create_task(hung.run(hangs))
        await eventually(lambda: _is(producer, job_id, JobStatus.RUNNING))
        async with PgQueuerConsumer(config, robot_id="next") as consumer:
            working = asyncio.create_task(consumer.run(works))

            async def completed() -> bool:
                await connection.execute("SELECT pgqueuer.upkeep(true)")
                return await _is(producer, job_id, JobStatus.COMPLETED)

            try:
                await eventually(completed)
            finally:
                let_go.set()
            await consumer.stop()
            await working
        await hung.stop()
        await hanging
    job = await producer.get_job(job_id)
    assert (job.result, job.claimed_by, job.attempt) == ("in time", "next", 2)
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["expired", "completed"]


async def _is(producer: PgQueuerProducer, job_id: object, status: JobStatus) -> bool:
    return await producer.get_job_status(str(job_id)) is status
