"""What is done to all jobs that match: cancelled, retried, given another priority; a dry run first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    InvalidJob,
    JobFilter,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, id_of, jobs, numbers
from tests.conformance.workplace import bury
from tests.waiting import eventually

if TYPE_CHECKING:
    from uuid import UUID

    from tests.conformance.queues import Clock, Queue

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


async def statuses(producer: PgQueuerProducer, ids: list[UUID]) -> list[JobStatus]:
    return [await producer.get_job_status(job_id) for job_id in ids]


async def test_jobs_that_match_are_cancelled_and_the_others_are_not(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    running, claimed, completed, waiting = await producer.enqueue_batch(jobs(*range(4), tags=["x"]))
    deferred = await producer.enqueue_job(JobModel(workflow="w", run_at=FAR_AWAY, tags=["x"]))
    other = await producer.enqueue_job(JobModel(workflow="w"))
    held = [await claim(consumer) for _ in range(3)]
    await consumer.start_job(held[0])
    await consumer.complete_job(held[2])

    dry = await producer.cancel_jobs(JobFilter(tags=["x"]), dry_run=True)
    assert (dry.count, dry.dry_run, set(dry.ids)) == (4, True, {running, claimed, waiting, deferred})
    assert (await producer.get_job_status(waiting)) is JobStatus.PENDING
    done = await producer.cancel_jobs(JobFilter(tags=["x"]))
    assert (done.count, done.dry_run, set(done.ids)) == (4, False, set(dry.ids))

    assert await statuses(producer, [running, claimed, completed, waiting, deferred, other]) == [
        JobStatus.RUNNING,  # its robot has been asked
        *(JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.CANCELLED, JobStatus.PENDING),
    ]
    await eventually(lambda: consumer.cancel_requested(held[0]))
    assert (await producer.cancel_jobs(JobFilter(tags=["x"]))).count == 0
    assert [action.action for action in await producer.get_actions(waiting)] == ["cancelled"]
    assert [action.action for action in await producer.get_actions(running)] == ["cancelled"]


async def test_more_than_a_page_is_done_page_by_page(producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch(jobs(*range(2300), reference=None))
    dry = await producer.cancel_jobs(JobFilter(workflow="w"), dry_run=True)
    done = await producer.cancel_jobs(JobFilter(workflow="w"))
    assert (dry.count, done.count) == (2300, 2300)
    assert done.ids == dry.ids
    assert len(done.ids) == len(set(done.ids)) == 1000
    assert set(done.ids) <= set(ids)
    assert (await producer.count_jobs(JobFilter(status=JobStatus.CANCELLED))).count == 2300


async def test_a_bulk_cancel_frees_references(producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(JobModel(workflow="w", reference="R"))
    await producer.cancel_jobs(JobFilter(reference="R"))
    await producer.enqueue_job(JobModel(workflow="w", reference="R"))


# Retry


async def test_a_retry_redrives_dead_letters_and_makes_due_what_waits_for_another_attempt(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    waits = await producer.enqueue_job(JobModel(workflow="w", retry_delay=100))
    await consumer.fail_job(await claim(consumer), "later")
    first, second = sorted(await bury(queue, config, "e", "e"))  # they may have died in the same millisecond
    planned = await producer.enqueue_job(JobModel(workflow="w", run_at=FAR_AWAY))
    assert await consumer.claim_job() is None

    where = JobFilter(workflow="w")
    assert set((await producer.retry_jobs(where, dry_run=True)).ids) == {waits, first, second}
    assert await consumer.claim_job() is None
    assert set((await producer.retry_jobs(where)).ids) == {waits, first, second}
    assert (await producer.retry_jobs(where)).count == 0

    job = await producer.get_job(waits)
    assert (job.status, job.attempt, job.run_at) == (JobStatus.PENDING, 1, await clock.now())
    assert [id_of(await claim(consumer)) for _ in range(3)] == [first, second, waits]  # those of higher priority first
    assert (await producer.get_job(planned)).status is JobStatus.PENDING
    assert [action.action for action in await producer.get_actions(waits)] == ["retried"]
    assert [action.action for action in await producer.get_actions(first)] == ["redriven"]


async def test_retried_jobs_are_ready_in_the_order_in_which_they_would_have_been_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(0, 1, 2))
    for delay in (300, 100, 200):
        await consumer.fail_job(await claim(consumer), "later", retry_in=delay)
    await producer.enqueue_batch(jobs(3))
    assert (await producer.retry_jobs(JobFilter(workflow="w"))).count == 3
    assert await numbers(consumer) == [3, 1, 2, 0]


# Priority


async def test_a_new_priority_decides_and_the_place_is_kept(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(0, 1))
    ids = await producer.enqueue_batch(jobs(2, 3, tags=["x"]))
    await producer.enqueue_batch(jobs(4, priority=9))
    assert (await producer.set_priority(JobFilter(tags=["x"]), 9, dry_run=True)).count == 2
    assert (await producer.get_job(ids[0])).priority == 5
    assert (await producer.set_priority(JobFilter(tags=["x"]), 9)).count == 2
    assert (await producer.set_priority(JobFilter(tags=["x"]), 9)).count == 0
    [action] = await producer.get_actions(ids[0])
    assert (action.action, action.detail) == ("prioritised", {"from": 5, "to": 9})
    assert await numbers(consumer) == [2, 3, 4, 0, 1]


async def test_only_what_waits_gets_another_priority(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    held, waiting = await producer.enqueue_batch(jobs(0, 1))
    deferred = await producer.enqueue_job(JobModel(workflow="w", run_at=FAR_AWAY))
    job = await claim(consumer)
    assert set((await producer.set_priority(JobFilter(workflow="w"), 0)).ids) == {waiting, deferred}
    assert (await producer.get_job(held)).priority == 5
    assert (await producer.get_job(deferred)).priority == 0
    await consumer.release_job(job)


async def test_a_robot_that_has_climbed_finds_a_job_that_came_below(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    low = await producer.enqueue_job(JobModel(workflow="w", priority=1))
    await producer.enqueue_batch(jobs(*range(60), priority=9))
    for _ in range(50):
        await consumer.complete_job(await claim(consumer))
    await producer.set_priority(JobFilter(ids=[low]), 9)
    assert await eventually(lambda: _claims(consumer, low), within=5)


async def _claims(consumer: PgQueuerConsumer, wanted: UUID) -> bool:
    job = await consumer.claim_job()
    if job is None:
        return False
    await consumer.complete_job(job)
    return job.id == wanted


@pytest.mark.parametrize("priority", [-1, 21, 5.0, True, "high", None])
async def test_what_is_no_priority_is_refused(producer: PgQueuerProducer, priority: Any) -> None:
    with pytest.raises(InvalidJob, match="priority must be a whole number from 0 to 20"):
        await producer.set_priority(JobFilter(workflow="w"), priority)
