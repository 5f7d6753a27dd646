"""Putting jobs in: one, many, all or each, in a transaction of the caller's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    DatabaseUnavailable,
    DuplicateReference,
    InvalidJob,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import contents, jobs, numbers
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def callers(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The connection of an application that enqueues inside its own transactions."""
    opened = await asyncpg.connect(database_url)
    await opened.execute("CREATE TABLE public.orders (number integer)")
    yield opened
    await opened.close()


async def test_an_enqueue_commits_with_the_callers_transaction(
    producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    async with callers.transaction():
        await callers.execute("INSERT INTO public.orders VALUES (1)")
        job_id = await producer.enqueue_job(JobModel(workflow="w"), connection=callers)
        with pytest.raises(JobNotFound):
            await producer.get_job(job_id)
    assert await producer.get_job_status(job_id) is JobStatus.PENDING
    assert await callers.fetchval("SELECT count(*) FROM public.orders") == 1


async def test_an_enqueue_vanishes_with_the_callers_transaction(
    producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    before = await contents(callers)
    transaction = callers.transaction()
    await transaction.start()
    await callers.execute("INSERT INTO public.orders VALUES (1)")
    await producer.enqueue_batch([*jobs(*range(10)), JobModel(workflow="w", reference="r")], connection=callers)
    await transaction.rollback()
    assert await contents(callers) == before
    await producer.enqueue_job(JobModel(workflow="w", reference="r"))


async def test_robots_are_told_at_the_commit_and_not_before(
    config: QueueConfig, producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    lazy = config.model_copy(update={"poll_interval": 60})
    async with PgQueuerConsumer(lazy, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        transaction = callers.transaction()
        await transaction.start()
        job_id = await producer.enqueue_job(JobModel(workflow="w"), connection=callers)
        # What another producer announces meanwhile wakes the robot, which cannot see this job yet.
        other = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(lambda: _is_completed(producer, other))
        await transaction.commit()
        await eventually(lambda: _is_completed(producer, job_id), within=5)
        await consumer.stop()
        await running


async def test_the_notification_is_part_of_the_callers_transaction(
    config: QueueConfig, producer: PgQueuerProducer, callers: asyncpg.Connection, connection: asyncpg.Connection
) -> None:
    heard: list[str] = []
    channel = await connection.fetchval("SELECT queue FROM pgqueuer.channels($1, gen_random_uuid())", config.queue_name)
    await connection.add_listener(channel, lambda *arguments: heard.append(arguments[-1]))
    transaction = callers.transaction()
    await transaction.start()
    await producer.enqueue_batch(jobs(0, 1, 2), connection=callers)
    await transaction.rollback()
    async with callers.transaction():
        await producer.enqueue_batch(jobs(0, 1), connection=callers)
    await eventually(lambda: heard)
    assert [message.split(":")[0] for message in heard] == ["2"]


async def test_without_a_transaction_a_given_connection_commits_at_once(
    producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"), connection=callers)
    assert await producer.get_job_status(job_id) is JobStatus.PENDING


async def test_mode_each_works_inside_the_callers_transaction(
    producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    taken = await producer.enqueue_job(JobModel(workflow="w", reference="r"))
    async with callers.transaction():
        first, second = await producer.enqueue_batch(
            [JobModel(workflow="w", reference="r"), JobModel(workflow="w")], mode="each", connection=callers
        )
        await callers.execute("INSERT INTO public.orders VALUES (1)")
    assert isinstance(first.error, DuplicateReference)
    assert first.error.job_id == taken
    assert await producer.get_job_status(second.id or "") is JobStatus.PENDING


async def test_an_error_inside_the_callers_transaction_is_told_in_our_words(
    producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", reference="r"))
    transaction = callers.transaction()
    await transaction.start()
    with pytest.raises(DuplicateReference):
        await producer.enqueue_job(JobModel(workflow="w", reference="r"), connection=callers)
    await transaction.rollback()
    assert await producer.get_queue_depth() == 1


async def test_the_callers_settings_of_its_session_stay_as_they_were(
    producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    await callers.execute("SET search_path = public; SET statement_timeout = '7s'")
    async with callers.transaction():
        await producer.enqueue_job(JobModel(workflow="w"), connection=callers)
    assert await callers.fetchval("SHOW search_path") == "public"
    assert await callers.fetchval("SHOW statement_timeout") == "7s"


async def test_an_empty_batch_is_no_job(producer: PgQueuerProducer, connection: asyncpg.Connection) -> None:
    before = await contents(connection)
    assert await producer.enqueue_batch([]) == []
    assert await producer.enqueue_batch([], mode="each") == []
    assert await contents(connection) == before


async def test_a_batch_of_10_000_works_and_one_more_is_refused(config: QueueConfig, producer: PgQueuerProducer) -> None:
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
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        assert [job.payload["n"] for job in await consumer.claim_jobs(10_000)] == list(range(10_000))


async def test_the_same_model_may_be_enqueued_many_times(producer: PgQueuerProducer) -> None:
    model = JobModel(workflow="w", payload={"a": 1})
    ids = [await producer.enqueue_job(model), *await producer.enqueue_batch([model, model])]
    assert len(set(ids)) == 3
    assert model == JobModel(workflow="w", payload={"a": 1})


async def test_a_job_enqueued_by_plain_sql_is_a_job_like_any_other(
    config: QueueConfig, producer: PgQueuerProducer, callers: asyncpg.Connection
) -> None:
    async with callers.transaction():
        job_id = await callers.fetchval(
            """SELECT pgqueuer.enqueue_job('w', '{"n": 1}', p_priority => 20, p_reference => 'r')"""
        )
    await producer.enqueue_job(*jobs(2))
    with pytest.raises(DuplicateReference) as caught:
        await producer.enqueue_job(JobModel(workflow="w", reference="r"))
    assert caught.value.job_id == job_id
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        assert await numbers(consumer) == [1, 2]


async def test_any_other_mode_is_refused(producer: PgQueuerProducer) -> None:
    modes: list[Any] = ["some", "", None, "ALL"]
    for mode in modes:
        with pytest.raises(InvalidJob, match='mode must be "all" or "each"'):
            await producer.enqueue_batch(jobs(0), mode=mode)
    assert await producer.get_queue_depth() == 0


async def test_a_connection_that_is_closed_is_told_in_our_words(producer: PgQueuerProducer, database_url: str) -> None:
    closed = await asyncpg.connect(database_url)
    await closed.close()
    with pytest.raises(DatabaseUnavailable, match="connection is closed"):
        await producer.enqueue_job(JobModel(workflow="w"), connection=closed)


async def test_a_producer_that_is_not_open_says_so(config: QueueConfig) -> None:
    closed = PgQueuerProducer(config)
    async with closed:
        pass
    for producer in (PgQueuerProducer(config), closed):
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
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    consumer = PgQueuerConsumer(config, robot_id="r")
    for call in (consumer.claim_job, lambda: consumer.claim_jobs(1), lambda: consumer.run(_nothing)):
        with pytest.raises(ConfigError, match="the consumer is not open: use it as `async with PgQueuerConsumer"):
            await call()
    async with consumer:
        assert await consumer.claim_job() is not None


async def test_a_consumer_cannot_be_opened_again(config: QueueConfig) -> None:
    consumer = PgQueuerConsumer(config, robot_id="r")
    async with consumer:
        pass
    with pytest.raises(ConfigError, match="a consumer is opened once"):
        await consumer.__aenter__()


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _is_completed(producer: PgQueuerProducer, job_id: object) -> bool:
    return await producer.get_job_status(str(job_id)) is JobStatus.COMPLETED
