"""When an attempt fails: three in all, growing pauses with jitter, business errors never again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.conformance.helpers import claim, id_of, jobs, pass_time

if TYPE_CHECKING:
    from uuid import UUID

    from tests.conformance.queues import Clock, Queue


async def pause_of(producer: PgQueuerProducer, clock: Clock, job_id: UUID) -> float:
    """Return seconds from now until a job may run again."""
    job = await producer.get_job(job_id)
    assert job.run_at is not None
    return (job.run_at - await clock.now()).total_seconds()


def open_the_erp() -> None:
    raise ConnectionError("the ERP was down")


async def test_there_are_three_attempts_in_all_by_default(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", retry_delay=0))
    outcomes = [await consumer.fail_job(await claim(consumer), "no") for _ in range(3)]
    assert outcomes == [JobStatus.PENDING, JobStatus.PENDING, JobStatus.FAILED]
    assert await consumer.claim_job() is None


@pytest.mark.parametrize("most", [1, 2, 5])
async def test_a_job_may_have_another_maximum(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, most: int
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", retry_delay=0, max_retries=most))
    outcomes = [await consumer.fail_job(await claim(consumer), "no") for _ in range(most)]
    assert outcomes == [JobStatus.PENDING] * (most - 1) + [JobStatus.FAILED]


async def test_the_producers_setting_holds_for_a_job_that_names_no_maximum(
    queue: Queue, config: QueueConfig, consumer: PgQueuerConsumer
) -> None:
    async with queue.producer(config.model_copy(update={"max_retries": 2})) as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0))
        own = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0, max_retries=4))
        assert (await producer.get_job(job_id)).max_retries == 2
        assert (await producer.get_job(own)).max_retries == 4


async def test_the_pause_is_5_seconds_doubled_by_each_attempt_at_most_300_give_or_take_a_fifth(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=50))
    for attempt in range(1, 12):
        job = await claim(consumer)
        assert job.attempt == attempt
        await consumer.fail_job(job, "no")
        pause = await pause_of(producer, clock, job_id)
        expected = min(5 * 2 ** (attempt - 1), 300)
        assert expected * 0.8 <= pause <= expected * 1.2
        await pass_time(clock, 361)


async def test_pauses_are_spread_over_the_whole_fifth_so_that_retries_do_not_march_in_step(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    ids = await producer.enqueue_batch(jobs(*range(60), retry_delay=100))
    for job in await consumer.claim_jobs(60):
        await consumer.fail_job(job, "no")
    pauses = [await pause_of(producer, clock, job_id) for job_id in ids]
    assert all(80 <= pause <= 120 for pause in pauses)
    assert min(pauses) < 92
    assert max(pauses) > 108
    assert len(set(pauses)) == 60


async def test_a_job_may_have_another_pause(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=60))
    await consumer.fail_job(await claim(consumer), "no")
    assert 48 <= await pause_of(producer, clock, job_id) <= 72


async def test_a_job_waits_out_its_pause_and_then_runs_again(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.fail_job(await claim(consumer), "no")
    await pass_time(clock, 3.9)
    assert await producer.get_job_status(job_id) is JobStatus.PENDING
    assert await producer.get_queue_depth() == 0
    assert await consumer.claim_job() is None
    await pass_time(clock, 2.2)
    assert await producer.get_queue_depth() == 1
    assert (await claim(consumer)).attempt == 2


@pytest.mark.parametrize("seconds", [0.5, 7, 1000])
async def test_retry_in_overrides_the_pause(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock, seconds: float
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert await consumer.fail_job(await claim(consumer), "no", retry_in=seconds) is JobStatus.PENDING
    assert await pause_of(producer, clock, job_id) == pytest.approx(seconds)


async def test_retry_in_0_lets_it_run_again_at_once(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.fail_job(await claim(consumer), "no", retry_in=0)
    assert (await claim(consumer)).attempt == 2


async def test_retry_in_gives_no_further_attempt(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    assert await consumer.fail_job(await claim(consumer), "no", retry_in=0) is JobStatus.FAILED


async def test_a_business_error_is_not_retried(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert await consumer.fail_job(await claim(consumer), "no such customer", business=True) is JobStatus.FAILED
    dead = await producer.get_job(job_id)
    assert (dead.attempt, dead.dead_letter_reason, dead.error) == (1, "business", "no such customer")


async def test_a_business_error_is_not_retried_whatever_retry_in_says(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    assert await consumer.fail_job(await claim(consumer), "no", business=True, retry_in=0) is JobStatus.FAILED


async def test_the_dead_letter_of_used_up_attempts_says_exhausted(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    await consumer.fail_job(await claim(consumer), "the ERP was down")
    dead = await producer.get_job(job_id)
    assert (dead.status, dead.dead_letter_reason, dead.error) == (JobStatus.FAILED, "exhausted", "the ERP was down")


async def test_an_attempt_after_a_failed_one_knows_why_that_failed(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.fail_job(await claim(consumer), "the ERP was down", retry_in=0)
    assert (await claim(consumer)).error == "the ERP was down"


async def test_an_exception_given_to_fail_job_is_kept_with_its_traceback(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    try:
        open_the_erp()
    except ConnectionError as error:
        await consumer.fail_job(job, error)
    kept = (await producer.get_job(job_id)).error or ""
    assert kept.startswith("ConnectionError: the ERP was down\n")
    assert "in open_the_erp" in kept


async def test_fail_works_from_claimed_and_from_running(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_batch(jobs(0, 1, retry_delay=0))
    claimed, running = await consumer.claim_jobs(2)
    await consumer.start_job(running)
    for job in (claimed, running):
        assert await consumer.fail_job(job, "no") is JobStatus.PENDING
        assert (await producer.get_job(id_of(job))).started_at is None
