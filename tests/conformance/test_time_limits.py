"""An attempt may run so long and no longer, whatever its handler does."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.conformance.helpers import claim, pass_time
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue


async def test_past_the_limit_the_handler_is_cancelled_and_the_attempt_fails_as_an_application_error(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", time_limit=0.05, retry_delay=0, max_retries=2))
    cancelled: list[int] = []

    async def handler(job: JobModel) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(job.attempt)
            raise

    async with queue.consumer(config, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: _is(producer, job_id, JobStatus.FAILED))
        await consumer.stop()
        await running
    dead = await producer.get_job(job_id)
    assert cancelled == [1, 2]
    assert (dead.dead_letter_reason, dead.error) == (
        "exhausted",
        "the attempt ran longer than its time limit of 0.05 s",
    )
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["failed", "failed"]


async def test_a_bare_handler_has_no_limit(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with queue.consumer(config, robot_id="r") as consumer:
        job = await claim(consumer)
        assert job.time_limit is None
        await consumer.start_job(job)
        for _ in range(6):
            await _heartbeat(consumer)
            await pass_time(clock, 29)
        assert await producer.get_job_status(job_id) is JobStatus.RUNNING


async def test_heartbeats_do_not_keep_an_attempt_alive_beyond_its_limit_and_one_lease(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", time_limit=100, visibility_timeout=30))
    async with queue.consumer(config, robot_id="r") as consumer:
        await consumer.start_job(await claim(consumer))
        for _ in range(6):
            await _heartbeat(consumer)
            await pass_time(clock, 20)
            assert await producer.get_job_status(job_id) is JobStatus.RUNNING
        await _heartbeat(consumer)
        await pass_time(clock, 9.9)
        assert await producer.get_job_status(job_id) is JobStatus.RUNNING
        await _heartbeat(consumer)
        await pass_time(clock, 0.2)
        job = await producer.get_job(job_id)
        assert (job.status, job.crashes) == (JobStatus.PENDING, 1)


async def _heartbeat(consumer: PgQueuerConsumer) -> None:
    for _ in range(2):  # one may have been under way before the clock was moved
        beats = consumer._lifeline.beats
        consumer._lifeline.beat_now()
        await eventually(partial(_has_beaten, consumer, beats))


def _has_beaten(consumer: PgQueuerConsumer, beats: int) -> bool:
    return consumer._lifeline.beats > beats


async def _is(producer: PgQueuerProducer, job_id: object, status: JobStatus) -> bool:
    return await producer.get_job_status(str(job_id)) is status
