"""What is remembered: every ended attempt, and every job wherever it lives, until retention."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobNotFound,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, crash, jobs, pass_time

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue


async def test_every_ended_attempt_keeps_its_robot_times_outcome_and_error(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=10, retry_delay=0))
    began = await clock.now()
    async with queue.consumer(config, robot_id="robot-1") as consumer:
        job = await claim(consumer)
        await clock.advance(1)
        await consumer.start_job(job)
        await clock.advance(1)
        await consumer.fail_job(job, "the ERP was down")
        await consumer.release_job(await claim(consumer))
    await crash(queue, config)
    await pass_time(clock, 31)
    async with queue.consumer(config, robot_id="robot-2") as consumer:
        await consumer.complete_job(await claim(consumer))
    failed, released, expired, completed = await producer.get_attempts(job_id)
    assert [(a.attempt, a.robot, a.outcome) for a in (failed, released, expired, completed)] == [
        (1, "robot-1", "failed"),
        (2, "robot-1", "released"),
        (2, "doomed", "expired"),
        (3, "robot-2", "completed"),
    ]
    assert failed.error == "the ERP was down"
    assert (released.error, completed.error) == (None, None)
    assert expired.error == "the visibility timeout of 30 s ran out without a heartbeat from doomed"
    assert failed.claimed_at == began
    assert failed.started_at is not None
    assert (failed.started_at - began).total_seconds() == 1
    assert (failed.ended_at - began).total_seconds() == 2
    assert (released.started_at, completed.started_at) == (None, None)
    assert expired.started_at is not None


async def test_a_job_that_waits_has_no_ended_attempt(producer: PgQueuerProducer) -> None:
    assert await producer.get_attempts(await producer.enqueue_job(JobModel(workflow="w"))) == []


async def test_attempts_of_an_unknown_job_raise(producer: PgQueuerProducer) -> None:
    with pytest.raises(JobNotFound):
        await producer.get_attempts(uuid4())


async def test_a_queue_that_nobody_used_for_a_year_works_at_once(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    await clock.advance(365 * 86400)
    async with queue.consumer(config, robot_id="r") as consumer:
        await consumer.complete_job(await claim(consumer))


async def test_a_job_is_never_briefly_nowhere(queue: Queue, config: QueueConfig, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch(jobs(*range(60), retry_delay=0, max_retries=2))
    done = asyncio.Event()

    async def look() -> int:
        looks = 0
        while not done.is_set():
            for job_id in ids:
                await producer.get_job(job_id)
                looks += 1
        return looks

    looking = [asyncio.create_task(look()) for _ in range(2)]
    async with queue.consumer(config, robot_id="r") as consumer:
        while held := await consumer.claim_jobs(5):
            for n, job in enumerate(held):
                if n % 2:
                    await consumer.complete_job(job)
                else:
                    await consumer.fail_job(job, "no")
        await producer.redrive_jobs(ids)
    done.set()
    assert sum(await asyncio.gather(*looking)) > 100
