"""Putting jobs in: one, many, all or each, in a transaction of the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    InvalidJob,
    JobModel,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import contents, jobs

if TYPE_CHECKING:
    from tests.conformance.queues import Queue


async def test_an_empty_batch_is_no_job(queue: Queue, producer: PgQueuerProducer) -> None:
    before = await contents(queue)
    assert await producer.enqueue_batch([]) == []
    assert await producer.enqueue_batch([], mode="each") == []
    assert await contents(queue) == before


async def test_a_batch_of_10_000_works_and_one_more_is_refused(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    models = [JobModel(workflow="w", payload={"n": n}) for n in range(10_000)]
    ids = await producer.enqueue_batch(models)
    assert len(set(ids)) == 10_000
    assert await producer.get_queue_depth() == 10_000
    assert (await producer.get_job(ids[9_999])).payload == {"n": 9_999}
    with pytest.raises(InvalidJob, match="a batch holds 10000 jobs at most, not 10001"):
        await producer.enqueue_batch([*models, models[0]])
    with pytest.raises(InvalidJob, match="a batch holds 10000 jobs at most, not 10001"):
        await producer.enqueue_batch([*models, models[0]], mode="each")
    assert await producer.get_queue_depth() == 10_000
    async with queue.consumer(config, robot_id="r") as consumer:
        assert [job.payload["n"] for job in await consumer.claim_jobs(10_000)] == list(range(10_000))


async def test_the_same_model_may_be_enqueued_many_times(producer: PgQueuerProducer) -> None:
    model = JobModel(workflow="w", payload={"a": 1})
    ids = [await producer.enqueue_job(model), *await producer.enqueue_batch([model, model])]
    assert len(set(ids)) == 3
    assert model == JobModel(workflow="w", payload={"a": 1})


async def test_any_other_mode_is_refused(producer: PgQueuerProducer) -> None:
    modes: list[Any] = ["some", "", None, "ALL"]
    for mode in modes:
        with pytest.raises(InvalidJob, match='mode must be "all" or "each"'):
            await producer.enqueue_batch(jobs(0), mode=mode)
    assert await producer.get_queue_depth() == 0


async def test_a_producer_that_is_not_open_says_so(queue: Queue, config: QueueConfig) -> None:
    closed = queue.producer(config)
    async with closed:
        pass
    for producer in (queue.producer(config), closed):
        for call in (
            lambda p=producer: p.enqueue_job(JobModel(workflow="w")),
            lambda p=producer: p.enqueue_batch(jobs(0)),
            lambda p=producer: p.get_queue_depth(),
            lambda p=producer: p.get_job("00000000-0000-0000-0000-000000000000"),
            lambda p=producer: p.cancel_job("00000000-0000-0000-0000-000000000000"),
            lambda p=producer: p.purge_queue(),
            lambda p=producer: p.pause_queue(),
            lambda p=producer: p.list_jobs(),
            lambda p=producer: p.list_dead_letters(),
            lambda p=producer: p.redrive_jobs([]),
        ):
            with pytest.raises(ConfigError, match="the producer is not open: use it as `async with PgQueuerProducer"):
                await call()


async def test_a_consumer_that_is_not_open_says_so_and_can_be_opened_afterwards(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    consumer = queue.consumer(config, robot_id="r")
    for call in (consumer.claim_job, lambda: consumer.claim_jobs(1), lambda: consumer.run(_nothing)):
        with pytest.raises(ConfigError, match="the consumer is not open: use it as `async with PgQueuerConsumer"):
            await call()
    async with consumer:
        assert await consumer.claim_job() is not None


async def test_a_consumer_cannot_be_opened_again(queue: Queue, config: QueueConfig) -> None:
    consumer = queue.consumer(config, robot_id="r")
    async with consumer:
        pass
    with pytest.raises(ConfigError, match="a consumer is opened once"):
        await consumer.__aenter__()


async def _nothing(_: JobModel) -> None:
    """A handler."""
