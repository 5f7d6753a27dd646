"""A job with `run_at` waits for its time, and keeps nobody else waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer
from tests.conformance.helpers import claim, id_of, jobs, numbers, pass_time

if TYPE_CHECKING:
    from tests.conformance.queues import Clock


async def test_a_job_is_claimed_when_it_is_due_and_not_before(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    due = await clock.now() + timedelta(seconds=60)
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=due))
    await pass_time(clock, 59.9)
    assert await consumer.claim_job() is None
    await pass_time(clock, 0.2)
    job = await claim(consumer)
    assert (id_of(job), job.run_at) == (job_id, due)


async def test_a_time_past_is_now(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    moment = datetime(1999, 12, 31, tzinfo=UTC)
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=moment))
    assert await producer.get_queue_depth() == 1
    assert id_of(await claim(consumer)) == job_id
    assert (await producer.get_job(job_id)).run_at == moment


async def test_a_time_past_does_not_go_before_those_that_came_earlier(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(*jobs(0))
    await producer.enqueue_job(*jobs(1, run_at=datetime(1999, 12, 31, tzinfo=UTC)))
    await producer.enqueue_job(*jobs(2))
    assert await numbers(consumer) == [0, 1, 2]


async def test_the_databases_clock_decides_when_a_job_is_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    await clock.set_back(3600)
    await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) - timedelta(seconds=60)))
    assert await consumer.claim_job() is None
    await pass_time(clock, 3600)
    await claim(consumer)


async def test_deferred_jobs_of_high_priority_do_not_hold_up_the_others(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    later = await clock.now() + timedelta(hours=1)
    await producer.enqueue_batch([*jobs(*range(100, 200), priority=20, run_at=later), *jobs(0, 1, 2)])
    assert await numbers(consumer) == [0, 1, 2]


async def test_the_depth_counts_only_what_is_due(producer: PgQueuerProducer, clock: Clock) -> None:
    now = await clock.now()
    await producer.enqueue_batch(
        [
            *jobs(0, 1),
            *jobs(2, run_at=now),
            *jobs(3, run_at=now - timedelta(days=1)),
            *jobs(4, run_at=now + timedelta(seconds=5)),
            *jobs(5, run_at=now + timedelta(days=1)),
        ]
    )
    assert await producer.get_queue_depth() == 4
    await clock.advance(5)
    assert await producer.get_queue_depth() == 5


async def test_due_jobs_go_in_the_order_in_which_they_became_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    now = await clock.now()
    for n in (3, 1, 2, 0):
        await producer.enqueue_job(*jobs(n, run_at=now + timedelta(seconds=60 + n)))
    await pass_time(clock, 70)
    assert await numbers(consumer) == [0, 1, 2, 3]


async def test_a_job_takes_its_place_when_it_is_due(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    await producer.enqueue_job(*jobs(1, run_at=await clock.now() + timedelta(seconds=60)))
    await producer.enqueue_job(*jobs(0))
    await pass_time(clock, 61)
    await producer.enqueue_job(*jobs(2))
    assert await numbers(consumer) == [0, 1, 2]


async def test_a_deferred_job_can_be_looked_up_and_cancelled(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) + timedelta(days=1)))
    assert await producer.get_job_status(job_id) is JobStatus.PENDING
    assert await producer.cancel_job(job_id) is True
    assert await producer.get_job_status(job_id) is JobStatus.CANCELLED
