"""Transactions that were under way when somebody subscribed had found that nobody wants to hear of them: they say nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus
from tests.waiting import eventually


@pytest.fixture
async def other(database_url):
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def names_of(events):
    return [event.event async for event in events]


async def is_heard(producer, target):
    await eventually(lambda: any(w.hearing for w in producer._subscriber._watchers.get(target, ())))


async def test_the_end_of_a_followed_job_is_seen_all_the_same(producer, connection):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with connection.transaction():
        await connection.execute("SELECT pgqueuer.cancel_job($1)", job_id)
        following = asyncio.create_task(names_of(producer.follow(job_id=job_id)))
        await is_heard(producer, job_id)
    async with asyncio.timeout(10):
        assert await following == ["snapshot", "cancelled"]


async def test_so_is_that_of_an_awaited_job(producer, connection, monkeypatch):
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.waits.LISTEN_AFTER", 0.01)
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with connection.transaction():
        await connection.execute("SELECT pgqueuer.cancel_job($1)", job_id)
        waiting = asyncio.create_task(producer.wait_for(job_id, timeout=10))
        await is_heard(producer, job_id)
    assert (await waiting).status is JobStatus.CANCELLED


async def test_of_a_queue_what_begins_later_is_told(producer, connection, other):
    earlier, later = await producer.enqueue_batch([JobModel(workflow="w")] * 2)
    events = producer.follow()
    async with connection.transaction():
        await connection.execute("SELECT pgqueuer.cancel_job($1)", earlier)
        assert (await anext(events)).event == "following"
        await other.execute("SELECT pgqueuer.cancel_job($1)", later)
    event = await anext(events)
    assert (event.event, event.job_id) == ("cancelled", later)
    await events.aclose()


async def test_what_is_rolled_back_was_not(producer, connection):
    events = producer.follow()
    assert (await anext(events)).event == "following"
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT pgqueuer.enqueue_job('w')")
    await transaction.rollback()
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert (await anext(events)).job_id == job_id
    await events.aclose()
