"""What becomes of jobs, told to those who subscribe."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
)
from casare_rpa.infrastructure.queue.events import JobEvent
from casare_rpa.infrastructure.queue.producing.feed import Feed
from tests.conformance.following import Follower, following
from tests.conformance.helpers import crash, pass_time
from tests.waiting import eventually


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
async def robot(queue, config):
    async with queue.consumer(config.model_copy(update={"max_concurrent_jobs": 100}), "robot") as opened:
        yield opened


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


async def test_every_way_to_an_end_has_its_event(queue, producer, robot, clock, config):
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
        await crash(queue, config.model_copy(update={"visibility_timeout": 5.0}))
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


async def test_who_follows_an_id_is_told_that_its_job_was_put_in(producer, monkeypatch):
    job_id = uuid4()
    feed = Feed(job_id)
    producer._subscriber.add(feed)
    await eventually(lambda: feed.hearing)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.batches.new_job_ids", lambda count: [job_id.bytes] * count)
    assert await producer.enqueue_job(a_job()) == job_id

    told = [await feed.next(5) for _ in range(2)]
    assert [event and event.event for event in told] == ["following", "enqueued"]
    producer._subscriber.remove(feed)


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


async def test_notifications_that_do_not_arrive_are_found_out(queue, producer, monkeypatch):
    async def deaf(*_):
        return

    monkeypatch.setattr(producer._calls, "listen", deaf)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.subscriber.HELLO_WITHIN", 0.3)
    with pytest.raises(ConfigError, match="pooler in transaction mode"):
        await anext(producer.follow())


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


async def test_what_a_person_decides_about_a_job_is_told(producer, robot, config):
    async with following(producer, queue_name=config.queue_name) as (follower, _):
        job_id = await producer.enqueue_job(a_job(max_retries=5, retry_delay=100))
        [job] = await robot.claim_jobs(1)
        await robot.fail_job(job, "x")
        await producer.retry_jobs(JobFilter(ids=[job_id]))
        await eventually(lambda: "retried" in follower.names)
        [job] = await robot.claim_jobs(1)
        await robot.fail_job(job, "y", business=True)
        await producer.resolve_dead_letters(JobFilter(ids=[job_id]), "done by hand")
        await eventually(lambda: "resolved" in follower.names)
    decided = [(event.event, event.status, event.job_id) for event in follower.told if event.event.startswith("re")]
    assert decided == [("retried", JobStatus.PENDING, job_id), ("resolved", JobStatus.FAILED, job_id)]
