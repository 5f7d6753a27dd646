"""Many queues live in one database: they exist from their first use, can be counted, paused and purged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    QueueNotFound,
)
from tests.conformance.helpers import claim, contents, id_of, jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.queues import Queue


@pytest.fixture
async def consumer(queue: Queue, config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with queue.consumer(config.model_copy(update={"max_concurrent_jobs": 20}), robot_id="robot-1") as opened:
        yield opened


async def test_claiming_from_an_unknown_queue_brings_none(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with queue.consumer(config.model_copy(update={"queue_name": "unknown"}), robot_id="r") as consumer:
        assert await consumer.claim_job() is None
        assert await consumer.claim_jobs(5) == []
    assert await producer.get_queue_depth("unknown") == 0


async def test_purge_pause_and_resume_say_that_a_queue_is_unknown(queue: Queue, producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    before = await contents(queue)
    for call in (producer.purge_queue, producer.pause_queue, producer.resume_queue):
        with pytest.raises(QueueNotFound, match='there is no queue "unknown"'):
            await call("unknown")
    assert await contents(queue) == before


async def test_a_queue_exists_from_its_first_use_and_stays_when_it_is_empty(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", queue_name="new"))
    await producer.cancel_job(job_id)
    assert await producer.purge_queue("new") == 0


async def test_each_queue_hands_out_its_own_jobs(queue: Queue, config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch([*jobs(0), *jobs(1, queue_name="a"), *jobs(2, queue_name="b", priority=20)])
    for name, n in (("a", 1), ("b", 2), (config.queue_name, 0)):
        async with queue.consumer(config.model_copy(update={"queue_name": name}), robot_id="r") as consumer:
            assert [job.payload["n"] for job in await consumer.claim_jobs(10)] == [n]


async def test_the_depth_counts_the_pending_of_one_queue(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch([*jobs(*range(6)), *jobs(6, 7, queue_name="other")])
    assert (await producer.get_queue_depth(), await producer.get_queue_depth("other")) == (6, 2)
    claimed = await claim(consumer)
    await consumer.start_job(await claim(consumer))
    await consumer.complete_job(await claim(consumer))
    await consumer.fail_job(await claim(consumer), "no", business=True)
    assert await producer.get_queue_depth() == 2
    await consumer.release_job(claimed)
    assert await producer.get_queue_depth() == 3


async def test_a_purge_removes_the_pending_of_one_queue_and_nothing_else(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    kept = [
        *await producer.enqueue_batch(jobs(*range(4))),
        *await producer.enqueue_batch(jobs(4, 5, queue_name="other")),
    ]
    await claim(consumer)
    await consumer.start_job(await claim(consumer))
    await consumer.complete_job(await claim(consumer))
    await consumer.fail_job(await claim(consumer), "no", business=True)
    statuses = [await producer.get_job_status(job_id) for job_id in kept]
    purged = await producer.enqueue_batch(
        [*jobs(6, 7, tenant_id="t"), *jobs(8, run_at=datetime.now(UTC) + timedelta(days=1)), *jobs(9, priority=0)]
    )
    retried = await producer.enqueue_job(JobModel(workflow="w", priority=20))
    await consumer.fail_job(await claim(consumer), "no")
    assert await producer.purge_queue() == 5
    assert [await producer.get_job_status(job_id) for job_id in kept] == statuses
    listed = {id_of(job) for job in await producer.list_jobs(limit=1000)}
    assert listed == set(kept)
    assert not listed & {*purged, retried}
    assert await producer.purge_queue() == 0


async def test_a_purge_by_name_leaves_the_configured_queue_alone(producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch([*jobs(0, 1), *jobs(2, queue_name="other")])
    assert await producer.purge_queue("other") == 1
    assert await producer.get_queue_depth() == 2


async def test_a_paused_queue_takes_jobs_counts_them_and_hands_out_none(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch([*jobs(0), *jobs(1, queue_name="other")])
    await producer.pause_queue()
    await producer.pause_queue()
    await producer.enqueue_job(*jobs(2))
    assert await consumer.claim_job() is None
    assert await producer.get_queue_depth() == 2
    await producer.resume_queue()
    assert [job.payload["n"] for job in await consumer.claim_jobs(5)] == [0, 2]


async def test_a_pause_lets_what_is_held_be_settled(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_batch(jobs(*range(3)))
    completing, failing, releasing = await consumer.claim_jobs(3)
    await producer.pause_queue()
    await consumer.start_job(completing)
    await consumer.complete_job(completing)
    assert await consumer.fail_job(failing, "no", retry_in=0) is JobStatus.PENDING
    await consumer.release_job(releasing)
    assert await consumer.claim_job() is None
    assert await producer.get_queue_depth() == 2


async def test_a_pause_of_one_queue_leaves_the_others_running(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch([*jobs(0), *jobs(1, queue_name="other")])
    await producer.pause_queue("other")
    assert (await claim(consumer)).payload["n"] == 0


async def test_a_robot_that_waits_is_woken_by_the_end_of_a_pause(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await producer.pause_queue()
    async with queue.consumer(config.model_copy(update={"poll_interval": 60}), robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        assert await producer.get_job_status(job_id) is JobStatus.PENDING
        await producer.resume_queue()
        await eventually(lambda: _is_completed(producer, job_id), within=5)
        await consumer.stop()
        await running


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _is_completed(producer: PgQueuerProducer, job_id: object) -> bool:
    return await producer.get_job_status(str(job_id)) is JobStatus.COMPLETED
