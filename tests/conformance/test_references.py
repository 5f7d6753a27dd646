"""A reference belongs to one job of its tenant and queue for as long as any record of that job exists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    DuplicateReference,
    InvalidJob,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, contents, id_of, pass_retention, pass_time

if TYPE_CHECKING:
    from uuid import UUID

    from tests.conformance.queues import Clock, Queue


def job(reference: str = "invoice-7", **fields: str) -> JobModel:
    return JobModel.model_validate({"workflow": "w", "reference": reference, **fields})


async def assert_taken_by(producer: PgQueuerProducer, job_id: UUID) -> None:
    with pytest.raises(DuplicateReference) as caught:
        await producer.enqueue_job(job())
    assert (caught.value.reference, caught.value.job_id) == ("invoice-7", job_id)
    assert str(caught.value) == f'the reference "invoice-7" is taken by job {job_id}'


async def test_a_duplicate_names_the_job_that_has_the_reference_and_changes_nothing(
    queue: Queue, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(job())
    before = await contents(queue)
    await assert_taken_by(producer, job_id)
    assert await contents(queue) == before


async def test_twice_in_one_batch_keeps_the_whole_batch_out(queue: Queue, producer: PgQueuerProducer) -> None:
    before = await contents(queue)
    with pytest.raises(DuplicateReference, match="invoice-7"):
        await producer.enqueue_batch([job("a"), job(), JobModel(workflow="w"), job()])
    assert await contents(queue) == before


async def test_a_reference_of_an_earlier_batch_keeps_the_whole_batch_out(
    queue: Queue, producer: PgQueuerProducer
) -> None:
    _, taken = await producer.enqueue_batch([job("a"), job()])
    before = await contents(queue)
    with pytest.raises(DuplicateReference) as caught:
        await producer.enqueue_batch([job("b"), job(), job("c")])
    assert caught.value.job_id == taken
    assert await contents(queue) == before
    await producer.enqueue_batch([job("b"), job("c")])


async def test_mode_each_keeps_the_others(producer: PgQueuerProducer) -> None:
    taken = await producer.enqueue_job(job())
    unstorable = JobModel(workflow="w")
    unstorable.payload["x"] = b"bytes"
    first, again, bad, other, plain, last = await producer.enqueue_batch(
        [job("a"), job(), unstorable, job("b"), JobModel(workflow="w"), job("a")], mode="each"
    )
    for result in (first, other, plain):
        assert result.id is not None
        assert result.error is None
        assert await producer.get_job_status(result.id) is JobStatus.PENDING
    assert (await producer.get_job(first.id or "")).reference == "a"
    assert (await producer.get_job(other.id or "")).reference == "b"
    assert (await producer.get_job(plain.id or "")).reference is None
    assert (again.id, last.id, bad.id) == (None, None, None)
    assert isinstance(again.error, DuplicateReference)
    assert (again.error.reference, again.error.job_id) == ("invoice-7", taken)
    assert isinstance(last.error, DuplicateReference)
    assert (last.error.reference, last.error.job_id) == ("a", first.id)
    assert isinstance(bad.error, InvalidJob)
    assert "payload.x is of type bytes" in str(bad.error)
    assert await producer.get_queue_depth() == 4


async def test_mode_each_with_duplicates_alone_enqueues_nothing(producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(job())
    results = await producer.enqueue_batch([job(), job()], mode="each")
    assert [type(result.error) for result in results] == [DuplicateReference, DuplicateReference]
    assert await producer.get_queue_depth() == 1


async def test_a_reference_is_unique_per_tenant_and_queue(producer: PgQueuerProducer) -> None:
    kinds: list[dict[str, str]] = [
        {},
        {"tenant_id": "a"},
        {"tenant_id": "b"},
        {"queue_name": "other"},
        {"queue_name": "other", "tenant_id": "a"},
    ]
    ids = await producer.enqueue_batch([job(**kind) for kind in kinds])
    for kind, job_id in zip(kinds, ids, strict=True):
        with pytest.raises(DuplicateReference) as caught:
            await producer.enqueue_job(job(**kind))
        assert caught.value.job_id == job_id


async def test_of_many_that_come_at_once_one_gets_the_reference(producer: PgQueuerProducer) -> None:
    results = await asyncio.gather(*(producer.enqueue_job(job()) for _ in range(12)), return_exceptions=True)
    ids = [result for result in results if not isinstance(result, BaseException)]
    errors = [result for result in results if isinstance(result, DuplicateReference)]
    assert (len(ids), len(errors)) == (1, 11)
    assert {error.job_id for error in errors} == set(ids)


async def test_batches_that_take_the_same_references_in_opposite_order_do_not_deadlock(
    producer: PgQueuerProducer,
) -> None:
    names = [f"r{n:03}" for n in range(100)]
    batches = [[job(name) for name in order] for order in (names, names[::-1]) * 4]
    results = await asyncio.gather(*(producer.enqueue_batch(batch) for batch in batches), return_exceptions=True)
    assert sum(isinstance(result, list) for result in results) == 1
    assert sum(isinstance(result, DuplicateReference) for result in results) == 7


async def test_after_completion_it_stays_taken(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(job())
    await assert_taken_by(producer, job_id)
    held = await claim(consumer)
    assert held.reference == "invoice-7"
    await assert_taken_by(producer, job_id)
    await consumer.complete_job(held)
    await assert_taken_by(producer, job_id)


async def test_in_the_dead_letter_queue_and_after_a_redrive_it_stays_taken(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(job())
    await consumer.fail_job(await claim(consumer), "no", business=True)
    await assert_taken_by(producer, job_id)
    await producer.redrive_jobs([job_id])
    assert (await producer.get_job(job_id)).reference == "invoice-7"
    await assert_taken_by(producer, job_id)


async def test_failed_without_a_dead_letter_queue_it_stays_taken(queue: Queue, config: QueueConfig) -> None:
    without = config.model_copy(update={"enable_dlq": False})
    async with queue.producer(without) as producer, queue.consumer(without, robot_id="r") as consumer:
        job_id = await producer.enqueue_job(job())
        await consumer.fail_job(await claim(consumer), "no", business=True)
        await assert_taken_by(producer, job_id)


async def test_cancel_frees_it_while_the_job_waits_and_while_it_is_claimed(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    first = await producer.enqueue_job(job())
    await producer.cancel_job(first)
    second = await producer.enqueue_job(job())
    assert id_of(await claim(consumer)) == second
    await producer.cancel_job(second)
    third = await producer.enqueue_job(job())
    assert len({first, second, third}) == 3


async def test_cancel_frees_it_when_a_running_job_has_stopped(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(job())
    held = await claim(consumer)
    await consumer.start_job(held)
    await producer.cancel_job(job_id)
    await assert_taken_by(producer, job_id)
    await consumer.release_job(held)
    assert await producer.get_job_status(job_id) is JobStatus.CANCELLED
    await producer.enqueue_job(job())


async def test_purge_frees_it(producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(job())
    await producer.purge_queue()
    await producer.enqueue_job(job())


async def test_it_is_free_when_retention_has_dropped_the_last_record(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(job())
    await consumer.complete_job(await claim(consumer))
    await pass_time(clock, 80 * 86400)
    await assert_taken_by(producer, job_id)
    await pass_retention(clock)
    await producer.enqueue_job(job())


async def test_jobs_without_a_reference_are_never_duplicates(producer: PgQueuerProducer) -> None:
    assert len(set(await producer.enqueue_batch([JobModel(workflow="w")] * 50))) == 50
