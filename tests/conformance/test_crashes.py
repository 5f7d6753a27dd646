"""When a robot dies: the job runs again, or is held for a person; three crashes keep it from everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerProducer, QueueConfig
from casare_rpa.infrastructure.queue.filters import JobFilter
from tests.conformance.helpers import claim, crash, id_of, pass_time

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue

OnCrash = Literal["retry", "hold", "fail"]


async def crash_and_wait(queue: Queue, config: QueueConfig, clock: Clock, *, start: bool = True) -> JobModel:
    """Let a robot die with the next job and its visibility timeout run out."""
    job = await crash(queue, config, start=start)
    await pass_time(clock, 31)
    return job


async def test_the_last_attempts_expiry_goes_to_the_dead_letter_queue(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=2))
    await crash_and_wait(queue, config, clock)
    assert await producer.get_job_status(job_id) is JobStatus.PENDING
    await crash_and_wait(queue, config, clock)
    dead = await producer.get_job(job_id)
    assert (dead.status, dead.attempt, dead.dead_letter_reason) == (JobStatus.FAILED, 2, "exhausted")
    assert dead.error == "the visibility timeout of 30 s ran out without a heartbeat from doomed"
    assert [job.id for job in await producer.list_dead_letters()] == [job_id]


async def test_three_crashes_quarantine_a_job_whatever_its_maximum(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=100))
    for _ in range(2):
        await crash_and_wait(queue, config, clock)
        assert await producer.get_job_status(job_id) is JobStatus.PENDING
    await crash_and_wait(queue, config, clock)
    dead = await producer.get_job(job_id)
    assert (dead.status, dead.attempt, dead.crashes) == (JobStatus.FAILED, 3, 3)
    assert dead.dead_letter_reason == "quarantined"


async def test_crashes_are_counted_across_redrives(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    reasons = []
    for _ in range(3):
        assert (await crash_and_wait(queue, config, clock)).attempt == 1
        reasons.append((await producer.get_job(job_id)).dead_letter_reason)
        assert await producer.redrive_jobs([job_id]) == [job_id]
    assert reasons == ["exhausted", "exhausted", "quarantined"]
    assert (await producer.get_job(job_id)).crashes == 3


async def test_a_quarantined_job_that_was_redriven_is_quarantined_again_by_its_next_crash(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=100))
    for _ in range(3):
        await crash_and_wait(queue, config, clock)
    await producer.redrive_jobs([job_id])
    await crash_and_wait(queue, config, clock)
    assert (await producer.get_job(job_id)).dead_letter_reason == "quarantined"


async def test_failures_and_releases_are_no_crashes(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=100, retry_delay=0))
    async with queue.consumer(config, robot_id="r") as consumer:
        for _ in range(4):
            await consumer.fail_job(await claim(consumer), "no")
            await consumer.release_job(await claim(consumer))
    job = await producer.get_job(job_id)
    assert (job.status, job.crashes) == (JobStatus.PENDING, 0)


async def test_on_crash_retry_is_the_default(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert (await crash_and_wait(queue, config, clock)).on_crash == "retry"
    assert await producer.get_job_status(job_id) is JobStatus.PENDING


@pytest.mark.parametrize(("on_crash", "reason"), [("hold", "in doubt"), ("fail", "crashed")])
async def test_on_crash_may_hold_the_job_in_doubt_or_fail_it(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock, on_crash: OnCrash, reason: str
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", on_crash=on_crash))
    await crash_and_wait(queue, config, clock)
    dead = await producer.get_job(job_id)
    assert (dead.status, dead.attempt, dead.dead_letter_reason) == (JobStatus.FAILED, 1, reason)
    assert [id_of(job) for job in await producer.list_dead_letters(JobFilter.of(reason=reason))] == [job_id]


@pytest.mark.parametrize("on_crash", ["hold", "fail"])
async def test_a_job_that_was_claimed_but_never_started_is_not_in_doubt(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock, on_crash: OnCrash
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", on_crash=on_crash))
    await crash_and_wait(queue, config, clock, start=False)
    assert await producer.get_job_status(job_id) is JobStatus.PENDING


@pytest.mark.parametrize("on_crash", ["hold", "fail"])
async def test_on_crash_is_for_crashes_and_a_failure_is_retried_all_the_same(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, on_crash: OnCrash
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", on_crash=on_crash))
    async with queue.consumer(config, robot_id="r") as consumer:
        assert await consumer.fail_job(await claim(consumer), "no") is JobStatus.PENDING


async def test_without_a_dead_letter_queue_a_crash_that_ends_a_job_ends_it_failed_in_history(
    queue: Queue, config: QueueConfig, clock: Clock
) -> None:
    async with queue.producer(config.model_copy(update={"enable_dlq": False})) as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
        await crash_and_wait(queue, config, clock)
        job = await producer.get_job(job_id)
        assert (job.status, job.dead_letter_reason) == (JobStatus.FAILED, None)
        assert await producer.list_dead_letters() == []
