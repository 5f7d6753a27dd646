"""Putting jobs in: one, many, all or each, in a transaction of the caller's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    DatabaseUnavailable,
    DuplicateReference,
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


async def test_a_connection_that_is_closed_is_told_in_our_words(producer: PgQueuerProducer, database_url: str) -> None:
    closed = await asyncpg.connect(database_url)
    await closed.close()
    with pytest.raises(DatabaseUnavailable, match="connection is closed"):
        await producer.enqueue_job(JobModel(workflow="w"), connection=closed)


async def _nothing(_: JobModel) -> None:
    """A handler."""


async def _is_completed(producer: PgQueuerProducer, job_id: object) -> bool:
    return await producer.get_job_status(str(job_id)) is JobStatus.COMPLETED


async def test_a_batch_whose_jobs_all_differ(producer, connection):
    """Jobs were joined with what they have in common by going through all pairs: 10,000 that differ took half a minute."""
    jobs = [JobModel(workflow="ship", metadata={"order": n}, reference=f"order-{n}") for n in range(2000)]
    ids = await producer.enqueue_batch(jobs)
    last = await producer.get_job(ids[-1])
    assert (last.metadata, last.reference) == ({"order": 1999}, "order-1999")
    await connection.execute(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET search_path = pgqueuer"
    )
    await connection.execute("""
        PREPARE joined (integer[], jsonb) AS
        SELECT * FROM unnest($1) WITH ORDINALITY u(template, ordinal) JOIN template_rows($2) t ON t.template = u.template
    """)
    plan = await connection.fetch("EXPLAIN EXECUTE joined(ARRAY[1, 2], '[{}, {}]')")
    assert plan
    assert not any("Nested Loop" in row[0] for row in plan)
