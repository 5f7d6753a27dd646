"""How many jobs a robot holds at once, and how few connections it needs for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.infrastructure.helpers import claim, jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg


def with_slots(config: QueueConfig, slots: int, **fields: object) -> QueueConfig:
    return QueueConfig.model_validate({**config.model_dump(), "max_concurrent_jobs": slots, **fields})


async def test_claim_job_brings_none_when_no_slot_is_free(config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch(jobs(*range(5)))
    async with PgQueuerConsumer(with_slots(config, 2), robot_id="r") as consumer:
        first = await claim(consumer)
        await claim(consumer)
        assert await consumer.claim_job() is None
        await consumer.complete_job(first)
        await claim(consumer)
        assert await consumer.claim_job() is None


async def test_claim_job_called_many_times_at_once_takes_no_more_than_the_free_slots(
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch(jobs(*range(20)))
    async with PgQueuerConsumer(with_slots(config, 3), robot_id="r") as consumer:
        claimed = await asyncio.gather(*(consumer.claim_job() for _ in range(10)))
        assert sum(job is not None for job in claimed) == 3
    assert await producer.get_queue_depth() == 20


@pytest.mark.parametrize("settle", ["complete", "fail", "release"])
async def test_every_settlement_frees_its_slot(config: QueueConfig, producer: PgQueuerProducer, settle: str) -> None:
    await producer.enqueue_batch(jobs(*range(3)))
    async with PgQueuerConsumer(with_slots(config, 1), robot_id="r") as consumer:
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
    config: QueueConfig, producer: PgQueuerProducer, limit: int
) -> None:
    await producer.enqueue_batch(jobs(*range(10)))
    async with PgQueuerConsumer(with_slots(config, 1), robot_id="r") as consumer:
        assert len(await consumer.claim_jobs(limit)) == min(limit, 10)


async def test_run_never_holds_more_than_its_slots(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(*range(40)))
    at_once: list[int] = []
    running = 0

    async def handler(_: JobModel) -> None:
        nonlocal running
        running += 1
        at_once.append(await held(connection))
        await asyncio.sleep(0)
        running -= 1

    lock = asyncio.Lock()

    async def held(connection: asyncpg.Connection) -> int:
        async with lock:
            count: int = await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs WHERE lease_token IS NOT NULL")
            return max(count, running)

    async with PgQueuerConsumer(with_slots(config, 4), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: len(at_once) == 40)
        await consumer.stop()
        await task
    assert max(at_once) <= 4
    assert max(at_once) > 1


async def test_run_counts_what_was_claimed_by_hand(config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch(jobs(*range(10)))
    running: set[int] = set()
    go_on = asyncio.Event()

    async def handler(job: JobModel) -> None:
        running.add(job.payload["n"])
        await go_on.wait()

    async with PgQueuerConsumer(with_slots(config, 3), robot_id="r") as consumer:
        by_hand = await claim(consumer)
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: len(running) == 2)
        assert await consumer.claim_job() is None
        await consumer.complete_job(by_hand)
        await eventually(lambda: len(running) == 3)
        go_on.set()
        await consumer.stop()
        await task


async def test_run_and_claim_job_at_the_same_moment_take_no_more_than_the_free_slots(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    go_on = asyncio.Event()

    async def handler(_: JobModel) -> None:
        await go_on.wait()

    async with PgQueuerConsumer(with_slots(config, 3), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        await producer.enqueue_batch(jobs(*range(20)))
        for _ in range(5):
            await asyncio.gather(*(consumer.claim_job() for _ in range(3)))
        await eventually(
            lambda: connection.fetchval("SELECT count(*) >= 3 FROM pgqueuer.jobs WHERE lease_token IS NOT NULL")
        )
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs WHERE lease_token IS NOT NULL") == 3
        go_on.set()
        await consumer.stop()
        await task


async def test_a_batch_is_never_larger_than_the_batch_size(config: QueueConfig, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch(jobs(*range(12)))
    async with PgQueuerConsumer(with_slots(config, 100, batch_size=5), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: _all_completed(producer, 12))
        await consumer.stop()
        await task
    moments = [(await producer.get_job(job_id)).claimed_at for job_id in ids]
    assert max(moments.count(moment) for moment in moments) == 5


async def test_one_pooled_connection_is_enough_for_a_producer(config: QueueConfig) -> None:
    async with PgQueuerProducer(with_slots(config, 3, connection_pool_size=1)) as producer:
        ids = await producer.enqueue_batch(jobs(*range(5)))
        found = await asyncio.gather(
            *(producer.get_job(job_id) for job_id in ids),
            producer.get_queue_depth(),
            producer.enqueue_job(JobModel(workflow="w")),
            producer.health_check(),
        )
        assert len(found) == 8


async def test_one_pooled_connection_is_enough_for_a_robot_with_many_slots(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(*range(100)))
    sessions: list[int] = []

    async def handler(job: JobModel) -> None:
        if job.payload["n"] == 50:
            sessions.append(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name IN ('casare robot r', 'casare lifeline r')"
                )
            )

    async with PgQueuerConsumer(with_slots(config, 20, connection_pool_size=1), robot_id="r") as consumer:
        task = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: _all_completed(producer, 100))
        await consumer.stop()
        await task
    assert sessions == [2]


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _all_completed(producer: PgQueuerProducer, count: int) -> bool:
    return len(await producer.list_jobs(status=JobStatus.COMPLETED, limit=1000)) == count
