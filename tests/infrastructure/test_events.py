"""What becomes of jobs, told to those who subscribe."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobModel,
    PgQueuerConsumer,
    PgQueuerProducer,
)
from tests.conformance.following import Follower, following
from tests.waiting import eventually


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
async def robot(config):
    async with PgQueuerConsumer(config.model_copy(update={"max_concurrent_jobs": 100}), "robot") as opened:
        yield opened


async def test_a_large_batch_is_told_of_in_order_and_in_messages_that_fit(producer, connection):
    async with following(producer, queue_name="ü" * 200) as (follower, _):
        ids = await producer.enqueue_batch([a_job(queue_name="ü" * 200) for _ in range(2000)])
        await eventually(lambda: len(follower.told) == 2001)
    assert [event.job_id for event in follower.told[1:]] == ids


async def test_a_queue_is_followed_on_after_a_gap(producer, connection):
    async with following(producer) as (follower, _):
        await _cut_off(connection)
        await eventually(lambda: follower.names[-1] == "gap")
        job_id = await producer.enqueue_job(a_job())
        await eventually(lambda: follower.names[-1] == "enqueued")
    assert follower.told[-1].job_id == job_id
    assert follower.names == ["following", "gap", "enqueued"]


async def test_the_end_of_a_job_is_told_though_it_came_while_nothing_was_heard(
    producer, robot, connection, monkeypatch
):
    job_id = await producer.enqueue_job(a_job())
    job = await robot.claim_job()
    async with following(producer, job_id=job_id) as (follower, task):

        async def away(*_):
            raise ConnectionResetError("away")

        monkeypatch.setattr(producer._backend, "connect_to_listen", away)
        await _cut_off(connection)
        await eventually(lambda: not any(w.hearing for w in producer._subscriber._all()))
        await robot.complete_job(job)
        await eventually(task.done)
    assert follower.names == ["snapshot", "completed"]


async def _cut_off(connection):
    await eventually(
        lambda: connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'casare subscriber'"
        )
    )


async def test_a_subscription_is_renewed_and_withdrawn(producer, connection, monkeypatch):
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.subscriber.RENEW_AFTER", 0.1)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.subscriber.LINGER", 0.5)
    until = "SELECT max(until) FROM pgqueuer.subscriptions"
    async with following(producer):
        first = await connection.fetchval(until)
        await eventually(lambda: _later(connection, until, first))
    await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM pgqueuer.subscriptions"))
    task = producer._subscriber._task
    await eventually(task.done, why="the connection is closed when nobody wants to hear anything for a while")

    async with following(producer) as (follower, _):
        assert follower.names == ["following"]


async def _later(connection, until, first):
    return await connection.fetchval(until) > first


async def test_closing_the_producer_ends_every_follower_with_an_error(config, connection):
    async with PgQueuerProducer(config) as producer:
        job_id = await producer.enqueue_job(a_job())
        followers = [Follower(), Follower()]
        tasks = [
            asyncio.create_task(followers[0].follow(producer.follow())),
            asyncio.create_task(followers[1].follow(producer.follow(job_id=job_id))),
        ]
        await eventually(lambda: all(follower.told for follower in followers))
    for task in tasks:
        with pytest.raises(ConfigError, match=r"closed|not open"):
            await task
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.subscriptions") == 0


async def test_an_event_holds_nothing_but_what_it_is(producer, connection):
    channel, heard = uuid4(), []
    await connection.add_listener(f"casare_e_{channel.hex}", lambda *message: heard.append(message[-1]))
    await connection.execute("SELECT pgqueuer.subscribe($1, '{casare_rpa_jobs}', '{}', 'hello')", channel)
    await producer.enqueue_job(
        a_job(payload={"secret": 1}, metadata={"m": 1}, tags=["t"], reference="r", tenant_id="acme")
    )
    await eventually(lambda: len(heard) == 2)
    [event] = json.loads(heard[1])
    assert event.keys() == {"job_id", "queue_name", "event", "status", "attempt", "robot", "at"}


async def test_nothing_is_said_while_nobody_wants_to_hear_of_it(producer, robot, connection):
    other = await producer.enqueue_job(a_job(queue_name="other"))
    await connection.execute("SELECT pgqueuer.subscribe(gen_random_uuid(), '{}', ARRAY[$1::uuid], 'hello')", other)
    body = await connection.fetchval("SELECT pg_get_functiondef('pgqueuer.emit'::regproc)")
    await connection.execute(body.replace("BEGIN\n", "BEGIN\n    RAISE EXCEPTION 'emit was called';\n", 1))
    await producer.enqueue_batch([a_job(), a_job(), a_job()])
    first, second, third = await robot.claim_jobs(3)
    await robot.start_job(first)
    await robot.complete_job(first)
    await robot.fail_job(second, "down")
    await producer.cancel_job(third.id)

    await connection.execute("SELECT pgqueuer.subscribe(gen_random_uuid(), '{casare_rpa_jobs}', '{}', 'hello')")
    with pytest.raises(asyncpg.RaiseError, match="emit was called"):
        await connection.execute("SELECT pgqueuer.enqueue_job('w')")
