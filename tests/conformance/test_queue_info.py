"""How a queue is doing: exact while that is cheap, and only what the login may see."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    QueueInfo,
    QueueNotFound,
)
from tests.conformance.helpers import claim, jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.queues import Clock, Queue

DEFAULT = "casare_rpa_jobs"


@pytest.fixture
async def consumer(queue: Queue, config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with queue.consumer(config.model_copy(update={"max_concurrent_jobs": 20}), robot_id="robot-1") as opened:
        yield opened


def counts(queue: QueueInfo) -> dict[str, int]:
    names = ("waiting", "due", "deferred", "claimed", "running", "dead_letters")
    return {name: getattr(queue, name) for name in names if getattr(queue, name)}


async def test_a_queue_is_listed_from_its_first_job_on(queue: Queue, producer: PgQueuerProducer) -> None:
    assert await producer.list_queues() == []
    with pytest.raises(QueueNotFound, match=f'there is no queue "{DEFAULT}"'):
        await producer.get_queue()

    await producer.enqueue_batch([*jobs(0, 1), *jobs(2, queue_name="letters"), *jobs(3, queue_name="Ämter")])
    await producer.purge_queue("letters")

    assert [(queue.queue_name, queue.waiting) for queue in await producer.list_queues()] == [
        (DEFAULT, 2),
        ("letters", 0),
        ("Ämter", 1),
    ]
    assert (await producer.get_queue()).queue_name == DEFAULT
    with pytest.raises(QueueNotFound, match='there is no queue "unknown"'):
        await producer.get_queue("unknown")


async def test_a_job_is_counted_where_it_is(
    clock: Clock, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    now = await clock.now()
    await producer.enqueue_batch([*jobs(*range(7), max_retries=1), *jobs(7, queue_name="other")])
    await producer.enqueue_batch([*jobs(8, 9, run_at=now + timedelta(hours=1)), *jobs(10, run_at=now)])
    await claim(consumer)
    await consumer.start_job(await claim(consumer))
    await consumer.start_job(await claim(consumer))
    await consumer.complete_job(await claim(consumer))
    await consumer.fail_job(await claim(consumer), "no")
    await producer.cancel_job(await producer.enqueue_job(*jobs(11)))

    found = await producer.get_queue()

    assert counts(found) == {"waiting": 5, "due": 3, "deferred": 2, "claimed": 1, "running": 2, "dead_letters": 1}
    assert not found.estimated
    assert counts(await producer.get_queue("other")) == {"waiting": 1, "due": 1}


async def test_the_head_of_the_line_waits_since_it_was_due(
    clock: Clock, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    began = await clock.now()
    await producer.enqueue_job(JobModel(workflow="w", priority=20, retry_delay=10))
    await clock.advance(3)
    await producer.enqueue_job(JobModel(workflow="w", priority=0))
    await clock.advance(4)
    assert (await producer.get_queue()).oldest_due_at == began

    await consumer.fail_job(await claim(consumer), "no", retry_in=10)
    found = await producer.get_queue()
    assert (found.oldest_due_at, found.oldest_seconds) == (began + timedelta(seconds=3), 4)

    await claim(consumer)
    found = await producer.get_queue()
    assert (found.oldest_due_at, found.oldest_seconds, found.deferred) == (None, None, 1)

    await clock.advance(11)
    found = await producer.get_queue()
    assert (found.oldest_due_at, found.oldest_seconds) == (began + timedelta(seconds=17), 1), "due after its pause"


async def test_what_ended_within_a_minute_is_counted(
    queue: Queue, clock: Clock, config: QueueConfig, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(7)))
    await consumer.complete_job(await claim(consumer))
    await clock.advance(59)
    await consumer.complete_job(await claim(consumer))
    await consumer.complete_job(await claim(consumer))
    await consumer.fail_job(await claim(consumer), "tried again")
    await consumer.fail_job(await claim(consumer), "a dead letter", business=True)
    async with queue.consumer(config.model_copy(update={"enable_dlq": False}), robot_id="robot-2") as keeps_none:
        await keeps_none.fail_job(await claim(keeps_none), "none is kept", business=True)
    found = await producer.get_queue()
    assert (found.completed_per_minute, found.failed_per_minute, found.estimated) == (3, 2, False)

    await clock.advance(2)
    found = await producer.get_queue()
    assert (found.completed_per_minute, found.failed_per_minute) == (2, 2)
    await clock.advance(60)
    found = await producer.get_queue()
    assert (found.completed_per_minute, found.failed_per_minute, found.dead_letters) == (0, 0, 1)


async def test_a_minute_may_begin_in_the_week_before(
    clock: Clock, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    """History is kept in a table for each week; the next one is there ahead of time."""
    now = await clock.now()
    monday = (now + timedelta(days=7 - now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    await clock.advance((monday - now).total_seconds() - 10)
    await producer.enqueue_batch(jobs(0, 1))
    await consumer.complete_job(await claim(consumer))
    await clock.advance(20)
    await consumer.complete_job(await claim(consumer))

    assert (await producer.get_queue()).completed_per_minute == 2
