"""The dead letter queue: why a job is there, and how a person puts it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    InvalidJob,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from casare_rpa.infrastructure.queue.filters import JobFilter
from tests.conformance.helpers import claim, contents, id_of, jobs, numbers, pass_time

if TYPE_CHECKING:
    from uuid import UUID

    from tests.conformance.queues import Clock, Queue


async def bury(consumer: PgQueuerConsumer, error: str = "no") -> UUID:
    """Let the next job fail for good."""
    job = await claim(consumer)
    await consumer.fail_job(job, error, business=True)
    return id_of(job)


async def test_dead_letters_are_listed_newest_first_by_queue_and_reason(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    ids = []
    for name, business in (("a", True), ("b", True), ("a", False)):
        await producer.enqueue_job(JobModel(workflow="w", queue_name=name, max_retries=1))
        async with queue.consumer(config.model_copy(update={"queue_name": name}), robot_id="r") as robot:
            job = await claim(robot)
            await robot.fail_job(job, "no", business=business)
        ids.append(id_of(job))
        await clock.advance(1)

    async def listed(**filters: Any) -> list[UUID]:
        return [id_of(job) for job in await producer.list_dead_letters(JobFilter.of(**filters))]

    assert await listed() == ids[::-1]
    assert await listed(queue_name="a") == [ids[2], ids[0]]
    assert await listed(reason="business") == [ids[1], ids[0]]
    assert await listed(queue_name="a", reason="exhausted") == [ids[2]]
    assert await listed(queue_name="none of that name") == []
    assert [id_of(job) for job in await producer.list_dead_letters(limit=1)] == [ids[2]]


async def test_a_redrive_keeps_id_and_reference_and_starts_at_attempt_1(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", reference="r", retry_delay=0))
    for _ in range(3):
        await consumer.fail_job(await claim(consumer), "the ERP was down")
    assert await producer.redrive_jobs([job_id]) == [job_id]
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.reference) == (JobStatus.PENDING, 0, "r")
    assert (job.dead_letter_reason, job.finished_at) == (None, None)
    again = await claim(consumer)
    assert (again.id, again.attempt) == (job_id, 1)
    assert await producer.list_dead_letters() == []


async def test_a_redriven_job_has_all_its_attempts_again(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0, max_retries=2))
    for _ in range(2):
        assert [await consumer.fail_job(await claim(consumer), "no") for _ in range(2)] == [
            JobStatus.PENDING,
            JobStatus.FAILED,
        ]
        await producer.redrive_jobs([job_id])
    assert [attempt.attempt for attempt in await producer.get_attempts(job_id)] == [1, 2, 1, 2]


async def test_a_redriven_job_goes_to_the_end_of_its_priority(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(4)))
    job_id = await bury(consumer)
    await producer.redrive_jobs([job_id])
    assert await numbers(consumer) == [1, 2, 3, 0]


async def test_a_redriven_job_can_complete(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job_id = await bury(consumer)
    await producer.redrive_jobs([job_id])
    await consumer.complete_job(await claim(consumer), result="at last")
    job = await producer.get_job(job_id)
    assert (job.status, job.result, job.attempt) == (JobStatus.COMPLETED, "at last", 1)
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["business", "completed"]


async def test_a_redrive_of_what_is_no_dead_letter_returns_nothing_and_changes_nothing(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    completed, cancelled, claimed, waiting = await producer.enqueue_batch(jobs(0, 1, 2, 3))
    await consumer.complete_job(await claim(consumer))
    await producer.cancel_job(cancelled)
    await claim(consumer)
    before = await contents(queue)
    assert await producer.redrive_jobs([completed, cancelled, claimed, waiting, uuid4()]) == []
    assert await producer.redrive_jobs([]) == []
    assert await contents(queue) == before


async def test_a_redrive_returns_those_that_were_redriven(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(4)))
    dead = [await bury(consumer) for _ in range(3)]
    assert set(await producer.redrive_jobs([dead[0], uuid4(), dead[2], dead[0]])) == {dead[0], dead[2]}
    assert await producer.redrive_jobs([dead[0]]) == []
    assert [id_of(job) for job in await producer.list_dead_letters()] == [dead[1]]


async def test_dead_letters_are_never_dropped_by_themselves(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job_id = await bury(consumer)
    await pass_time(clock, 3650 * 86400)
    assert (await producer.get_job(job_id)).status is JobStatus.FAILED
    assert await producer.redrive_jobs([job_id]) == [job_id]
    assert id_of(await claim(consumer)) == job_id


async def test_a_page_has_1_to_1000_letters(producer: PgQueuerProducer) -> None:
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidJob, match=f"limit must be a whole number from 1 to 1000, not {limit}"):
            await producer.list_dead_letters(limit=limit)
        with pytest.raises(InvalidJob, match=f"limit must be a whole number from 1 to 1000, not {limit}"):
            await producer.list_jobs(limit=limit)
