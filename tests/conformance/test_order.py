"""Who is claimed first: priority, then the place that the database gave, among jobs visible and unlocked at the claim."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobPriority, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.conformance.helpers import claim, crash, jobs, numbers, pass_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.queues import Clock, Queue


@pytest.fixture
async def consumer(queue: Queue, config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with queue.consumer(config, robot_id="robot-1", capabilities=["excel", "sap"]) as opened:
        yield opened


@pytest.fixture
def every_claim_looks_back(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy robot looks for returned and due jobs four times a second; here it does with every claim."""
    monkeypatch.setattr("casare_rpa.infrastructure.queue.consuming.claiming.LOOK_BACK_EVERY", 0.0)


async def test_higher_priority_goes_first_over_all_21_of_them(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    priorities = list(range(21))
    random.shuffle(priorities)
    await producer.enqueue_batch([JobModel(workflow="w", payload={"n": p}, priority=p) for p in priorities])
    assert await numbers(consumer) == list(range(20, -1, -1))


async def test_within_a_priority_the_first_enqueued_is_the_first_claimed(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    for n in range(5):
        await producer.enqueue_job(*jobs(n))
    await producer.enqueue_batch(jobs(*range(5, 20)))
    assert await numbers(consumer) == list(range(20))


async def test_a_batch_with_many_priorities_keeps_its_order_within_each(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    kinds = [JobPriority.LOW, JobPriority.CRITICAL, JobPriority.NORMAL]
    await producer.enqueue_batch([JobModel(workflow="w", payload={"n": n}, priority=kinds[n % 3]) for n in range(30)])
    assert await numbers(consumer) == [*range(1, 30, 3), *range(2, 30, 3), *range(0, 30, 3)]


async def test_jobs_of_different_tenants_and_requirements_share_one_order(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"tenant_id": "a"},
        {"requirements": {"capabilities": ["sap"]}},
        {"tenant_id": "b"},
    ]
    await producer.enqueue_batch([*itertools.chain.from_iterable(jobs(n, **kinds[n % 4]) for n in range(40))])
    assert await numbers(consumer) == list(range(40))


async def test_claim_jobs_brings_the_first_ones_with_the_first_in_front(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch([*jobs(4, 5), *jobs(2, 3, priority=10), *jobs(0, 1, priority=20)])
    claimed = await consumer.claim_jobs(limit=5)
    assert [job.payload["n"] for job in claimed] == [0, 1, 2, 3, 4]


async def test_the_order_comes_from_the_database_and_not_from_a_producers_clock(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time_ns()
    for n in range(4):
        monkeypatch.setattr("casare_rpa.foundation.ids.time.time_ns", lambda n=n: began - n * 3_600_000_000_000)
        await producer.enqueue_job(*jobs(n))
    monkeypatch.undo()
    assert await numbers(consumer) == [0, 1, 2, 3]


async def test_robots_that_claim_at_once_get_every_job_once(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch(jobs(*range(200)))
    robots = [queue.consumer(config, robot_id=f"robot-{n}") for n in range(4)]
    for robot in robots:
        await robot.__aenter__()
    try:
        claimed = await asyncio.gather(*(robot.claim_jobs(7) for robot in robots for _ in range(8)))
    finally:
        await asyncio.gather(*(robot.stop() for robot in robots))
    found = [job.payload["n"] for batch in claimed for job in batch]
    assert sorted(found) == list(range(200))
    assert all(job.attempt == 1 for batch in claimed for job in batch)


async def test_a_release_keeps_the_place(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_batch(jobs(*range(5)))
    held = await consumer.claim_jobs(3)
    for n in (1, 2, 0):
        await consumer.release_job(held[n])
    assert await numbers(consumer) == [0, 1, 2, 3, 4]


async def test_a_release_keeps_the_place_however_far_the_claims_have_come(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, every_claim_looks_back: None
) -> None:
    await producer.enqueue_batch(jobs(*range(20)))
    held = [(await consumer.claim_jobs(1))[0] for _ in range(10)]
    await consumer.release_job(held[0])
    assert (await consumer.claim_jobs(1))[0].payload["n"] == 0
    assert (await consumer.claim_jobs(1))[0].payload["n"] == 10


async def test_another_robots_release_is_seen_by_the_next_claim(
    queue: Queue,
    config: QueueConfig,
    producer: PgQueuerProducer,
    consumer: PgQueuerConsumer,
    every_claim_looks_back: None,
) -> None:
    await producer.enqueue_batch(jobs(*range(20)))
    async with queue.consumer(config, robot_id="robot-2") as other:
        theirs = await claim(other)
        for n in range(1, 10):
            assert (await consumer.claim_jobs(1))[0].payload["n"] == n
        await other.release_job(theirs)
        assert (await consumer.claim_jobs(1))[0].payload["n"] == 0


async def test_a_retry_goes_to_the_end(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_batch(jobs(*range(4)))
    first = await claim(consumer)
    await consumer.fail_job(first, "no", retry_in=0)
    assert await numbers(consumer) == [1, 2, 3, 0]


async def test_a_retry_stays_ahead_of_lower_priorities(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_batch([*jobs(0, 1, priority=10), *jobs(2, 3)])
    await consumer.fail_job(await claim(consumer), "no", retry_in=0)
    assert await numbers(consumer) == [1, 0, 2, 3]


async def test_an_expired_job_goes_to_the_end(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    await producer.enqueue_batch(jobs(*range(3)))
    await crash(queue, config)
    await pass_time(clock, 31)
    async with queue.consumer(config, robot_id="robot-2") as consumer:
        assert await numbers(consumer) == [1, 2, 0]


async def test_a_job_that_has_become_due_is_claimed_by_the_next_claim_in_its_priority(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, clock: Clock, every_claim_looks_back: None
) -> None:
    due = await clock.now() + timedelta(seconds=4)
    await producer.enqueue_batch([*jobs(*range(1, 20)), *jobs(0, priority=20, run_at=due)])
    for n in range(1, 10):
        assert (await consumer.claim_jobs(1))[0].payload["n"] == n
    await clock.advance(4.1)
    assert (await consumer.claim_jobs(1))[0].payload["n"] == 0


async def test_a_busy_robot_looks_for_returned_jobs_several_times_a_second(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(1000)))
    held = [await _next(consumer) for _ in range(5)]
    await consumer.release_job(held[0])
    released = time.monotonic()
    while (await _next(consumer)).payload["n"] != 0:
        assert time.monotonic() - released < 1
    assert await producer.get_queue_depth() > 0


async def _next(consumer: PgQueuerConsumer) -> JobModel:
    (job,) = await consumer.claim_jobs(1)
    return job
