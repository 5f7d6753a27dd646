"""What becomes of jobs, told to those who subscribe."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
)
from casare_rpa.infrastructure.queue.events import JobEvent
from casare_rpa.infrastructure.queue.feed import Feed
from tests.infrastructure.helpers import crash, pass_time
from tests.waiting import eventually


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
async def robot(config):
    async with PgQueuerConsumer(config.model_copy(update={"max_concurrent_jobs": 100}), "robot") as opened:
        yield opened


class Follower:
    """Follows, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[JobEvent] = []

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.told]

    async def follow(self, events) -> None:
        async with aclosing(events):
            async for event in events:
                self.told.append(event)


@asynccontextmanager
async def following(producer, **what):
    """A follower who has begun; at the end it stops."""
    follower = Follower()
    task = asyncio.create_task(follower.follow(producer.follow(**what)))
    await eventually(lambda: follower.told or task.done())
    if "job_id" in what:
        await eventually(lambda: task.done() or any(w.hearing for w in producer._subscriber._watchers[what["job_id"]]))
    try:
        yield follower, task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_life_that_is_followed_from_its_queue(producer, robot):
    async with following(producer) as (follower, _):
        job_id = await producer.enqueue_job(a_job())
        job = await robot.claim_job()
        await robot.start_job(job)
        await robot.start_job(job)
        await robot.fail_job(job, "down", retry_in=0)
        await robot.release_job(await eventually(robot.claim_job))
        await robot.complete_job(await eventually(robot.claim_job))
        await eventually(lambda: follower.names[-1] == "completed")

    told = [(event.event, event.status, event.attempt, event.robot) for event in follower.told[1:]]
    assert told == [
        ("enqueued", "PENDING", 0, None),
        ("claimed", "CLAIMED", 1, "robot"),
        ("started", "RUNNING", 1, "robot"),
        ("failed", "PENDING", 1, "robot"),
        ("claimed", "CLAIMED", 2, "robot"),
        ("released", "PENDING", 2, "robot"),
        ("claimed", "CLAIMED", 2, "robot"),
        ("completed", "COMPLETED", 2, "robot"),
    ]
    assert follower.names[0] == "following"
    assert {event.job_id for event in follower.told[1:]} == {job_id}
    assert {event.queue_name for event in follower.told} == {"casare_rpa_jobs"}
    times = [event.at for event in follower.told[1:]]
    assert times == sorted(times)


async def test_every_way_to_an_end_has_its_event(producer, robot, clock, config):
    async with following(producer) as (follower, _):

        async def last_of(job_id):
            await eventually(lambda: follower.told[-1].is_final and follower.told[-1].job_id == job_id)
            return follower.told[-1]

        for end, name, status in [
            (lambda job: robot.fail_job(job, "bad data", business=True), "business", JobStatus.FAILED),
            (lambda job: robot.fail_job(job, "down"), "failed", JobStatus.FAILED),
            (lambda job: producer.cancel_job(job.id), "cancelled", JobStatus.CANCELLED),
        ]:
            job_id = await producer.enqueue_job(a_job(max_retries=1))
            await end(await robot.claim_job())
            event = await last_of(job_id)
            assert (event.event, event.status) == (name, status)

        assert await producer.redrive_jobs([event.job_id for event in follower.told if event.event == "business"])
        await eventually(lambda: follower.names[-1] == "redriven")
        redriven = await robot.claim_job()
        await robot.start_job(redriven)
        await producer.cancel_job(redriven.id)
        await producer.cancel_job(redriven.id)
        await robot.release_job(redriven)
        await last_of(redriven.id)
        assert follower.names[-5:] == ["redriven", "claimed", "started", "cancel_requested", "cancelled"]

        waits = await producer.enqueue_job(a_job())
        await producer.cancel_job(waits)
        event = await last_of(waits)
        assert (event.event, event.attempt) == ("cancelled", 0)

        job_id = await producer.enqueue_job(a_job(max_retries=1))
        await crash(config.model_copy(update={"visibility_timeout": 5.0}))
        await pass_time(clock, 6)
        assert (await last_of(job_id)).event == "expired"


async def test_run_starts_what_it_claims(producer, robot):
    async with following(producer) as (follower, _):
        running = asyncio.create_task(robot.run(lambda job: asyncio.sleep(0, job.payload)))
        await producer.enqueue_batch([a_job()] * 50)
        await eventually(lambda: follower.names.count("completed") == 50)
        await robot.stop()
        await running
    assert follower.names.count("enqueued") == follower.names.count("started") == 50
    assert "claimed" not in follower.names


async def test_a_large_batch_is_told_of_in_order_and_in_messages_that_fit(producer, connection):
    async with following(producer, queue_name="ü" * 200) as (follower, _):
        ids = await producer.enqueue_batch([a_job(queue_name="ü" * 200) for _ in range(2000)])
        await eventually(lambda: len(follower.told) == 2001)
    assert [event.job_id for event in follower.told[1:]] == ids


async def test_only_what_was_asked_for_is_told(producer, robot):
    job_id, _other = await producer.enqueue_batch([a_job(), a_job()])
    async with (
        following(producer, job_id=job_id) as (of_job, task),
        following(producer, queue_name="q") as (of_queue, _),
    ):
        mine = await producer.enqueue_job(a_job(queue_name="q"))
        await robot.complete_job(await robot.claim_job())
        await robot.complete_job(await robot.claim_job())
        await eventually(task.done)
        await eventually(lambda: len(of_queue.told) == 2)
    assert of_job.names == ["snapshot", "claimed", "completed"]
    assert of_queue.told[1].job_id == mine


async def test_following_a_job_ends_with_it(producer, robot):
    job_id = await producer.enqueue_job(a_job())
    events = [event async for event in _until_completed(producer, robot, job_id)]
    assert [event.event for event in events] == ["snapshot", "claimed", "completed"]
    assert [event.event async for event in producer.follow(job_id=job_id)] == ["snapshot"]
    with pytest.raises(JobNotFound):
        await anext(producer.follow(job_id=uuid4()))
    with pytest.raises(JobNotFound):
        producer.follow(job_id="no id")


async def _until_completed(producer, robot, job_id):
    async for event in producer.follow(job_id=str(job_id)):
        yield event
        if event.event == "snapshot":
            await eventually(lambda: any(w.hearing for w in producer._subscriber._watchers[job_id]))
            await robot.complete_job(await robot.claim_job())


@pytest.mark.parametrize("end", ["complete", "fail", "business", "cancel"])
async def test_a_job_is_followed_by_looking_where_nothing_is_heard(producer, robot, monkeypatch, end):
    async def deaf(*_):
        raise ConfigError("no notification arrives")

    monkeypatch.setattr(producer._calls, "listen", deaf)
    job_id = await producer.enqueue_job(a_job(max_retries=1))
    follower = Follower()
    task = asyncio.create_task(follower.follow(producer.follow(job_id=job_id)))
    await eventually(lambda: follower.told)
    job = await robot.claim_job()
    await eventually(lambda: follower.told[-1].status is JobStatus.CLAIMED)
    match end:
        case "complete":
            await robot.complete_job(job)
        case "cancel":
            await producer.cancel_job(job_id)
        case _:
            await robot.fail_job(job, "x", business=end == "business")
    async with asyncio.timeout(5):
        await task
    assert follower.names == [
        "snapshot",
        "snapshot",
        {"complete": "completed", "fail": "failed", "cancel": "cancelled"}.get(end, end),
    ]

    with pytest.raises(ConfigError, match="no notification arrives"):
        await anext(producer.follow(queue_name="q"))


async def test_where_nothing_is_heard_those_who_follow_jobs_do_not_connect_again_and_again(producer, monkeypatch):
    tries = []

    async def deaf(_name):
        tries.append(1)
        raise ConfigError("no notification arrives")

    monkeypatch.setattr(producer._backend, "connect_to_listen", deaf)
    for _ in range(3):
        job_id = await producer.enqueue_job(a_job())
        events = producer.follow(job_id=job_id)
        await anext(events)
        await eventually(lambda: tries)
        await producer.cancel_job(job_id)
        assert [event.event async for event in events] == ["cancelled"]
    assert tries == [1]
    with pytest.raises(ConfigError, match="no notification arrives"):
        await anext(producer.follow())
    assert tries == [1, 1]


async def test_notifications_that_do_not_arrive_are_found_out(producer, monkeypatch):
    async def deaf(*_):
        return

    monkeypatch.setattr(producer._calls, "listen", deaf)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.subscriber.HELLO_WITHIN", 0.3)
    with pytest.raises(ConfigError, match="pooler in transaction mode"):
        await anext(producer.follow())


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
    monkeypatch.setattr("casare_rpa.infrastructure.queue.subscriber.RENEW_AFTER", 0.1)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.subscriber.LINGER", 0.5)
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


async def test_wrong_arguments_are_refused(producer):
    with pytest.raises(ConfigError, match="either a job or a queue"):
        producer.follow(job_id=uuid4(), queue_name="q")
    async with following(producer, queue_name="q"):
        for n in range(99):
            producer._subscriber.add(Feed(f"queue {n}"))
        with pytest.raises(ConfigError, match="follows 100 queues at most"):
            await anext(producer.follow(queue_name="one more"))


async def test_a_follower_who_is_slow_finds_a_gap():
    feed = Feed("q", most=2)
    for n in range(4):
        feed.hear(JobEvent(event="enqueued", attempt=n))
    told = [await feed.next() for _ in range(3)]
    assert [(event.event, event.attempt) for event in told if event] == [
        ("enqueued", 0),
        ("enqueued", 1),
        ("gap", None),
    ]
    assert await feed.next(0.01) is None
    feed.hear(JobEvent(event="enqueued", attempt=5))
    event = await feed.next()
    assert event is not None
    assert event.attempt == 5


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
