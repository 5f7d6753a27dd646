"""How many jobs a robot holds at once, and how few connections it needs for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerProducer, QueueConfig
from casare_rpa.infrastructure.queue.filters import JobFilter
from tests.conformance.helpers import claim, jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conformance.queues import Queue


def with_slots(config: QueueConfig, slots: int, **fields: object) -> QueueConfig:
    return QueueConfig.model_validate({**config.model_dump(), "max_concurrent_jobs": slots, **fields})


async def test_claim_job_brings_none_when_no_slot_is_free(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch(jobs(*range(5)))
    async with queue.consumer(with_slots(config, 2), robot_id="r") as consumer:
        first = await claim(consumer)
        await claim(consumer)
        assert await consumer.claim_job() is None
        await consumer.complete_job(first)
        await claim(consumer)
        assert await consumer.claim_job() is None


async def test_claim_job_called_many_times_at_once_takes_no_more_than_the_free_slots(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch(jobs(*range(20)))
    async with queue.consumer(with_slots(config, 3), robot_id="r") as consumer:
        claimed = await asyncio.gather(*(consumer.claim_job() for _ in range(10)))
        assert sum(job is not None for job in claimed) == 3
    assert await producer.get_queue_depth() == 20


@pytest.mark.parametrize("settle", ["complete", "fail", "release"])
async def test_every_settlement_frees_its_slot(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, settle: str
) -> None:
    await producer.enqueue_batch(jobs(*range(3)))
    async with queue.consumer(with_slots(config, 1), robot_id="r") as consumer:
        for _ in range(3):
            job = await claim(consumer)
            assert await consumer.claim_job() is None
            if settle == "complete":
                await consumer.complete_job(job)
            elif settle == "fail":
                await consumer.fail_job(job, "no", business=True)
            else:
                await consumer.release_job(job)


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_claim_jobs_obeys_its_limit_however_many_slots_are_free(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, limit: int
) -> None:
    await producer.enqueue_batch(jobs(*range(10)))
    async with queue.consumer(with_slots(config, 1), robot_id="r") as consumer:
        assert len(await consumer.claim_jobs(limit)) == min(limit, 10)


async def test_run_counts_what_was_claimed_by_hand(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch(jobs(*range(10)))
    running: set[int] = set()
    go_on = asyncio.Event()

    async def handler(job: JobModel) -> None:
        running.add(job.payload["n"])
        await go_on.wait()

    async with queue.consumer(with_slots(config, 3), robot_id="r") as consumer:
        by_hand = await claim(consumer)
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: len(running) == 2)
        assert await consumer.claim_job() is None
        await consumer.complete_job(by_hand)
        await eventually(lambda: len(running) == 3)
        go_on.set()
        await consumer.stop()
        await task


async def test_a_batch_is_never_larger_than_the_batch_size(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    ids = await producer.enqueue_batch(jobs(*range(12)))
    async with queue.consumer(with_slots(config, 100, batch_size=5), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: _all_completed(producer, 12))
        await consumer.stop()
        await task
    moments = [(await producer.get_job(job_id)).claimed_at for job_id in ids]
    assert max(moments.count(moment) for moment in moments) == 5


async def test_one_pooled_connection_is_enough_for_a_producer(queue: Queue, config: QueueConfig) -> None:
    async with queue.producer(with_slots(config, 3, connection_pool_size=1)) as producer:
        ids = await producer.enqueue_batch(jobs(*range(5)))
        found = await asyncio.gather(
            *(producer.get_job(job_id) for job_id in ids),
            producer.get_queue_depth(),
            producer.enqueue_job(JobModel(workflow="w")),
            producer.health_check(),
        )
        assert len(found) == 8


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _all_completed(producer: PgQueuerProducer, count: int) -> bool:
    return len(await producer.list_jobs(JobFilter(status=JobStatus.COMPLETED), limit=1000)) == count
