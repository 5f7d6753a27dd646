"""Waiting and following through a pooler that shares sessions: no notification passes it."""

from __future__ import annotations

import asyncio

import pytest

from casare_rpa.infrastructure.queue import ConfigError, JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer
from tests.waiting import eventually


async def test_single_jobs_are_awaited_and_followed_by_looking(pooled_producer, config):
    job_id = await pooled_producer.enqueue_job(JobModel(workflow="w"))
    waiting = asyncio.create_task(pooled_producer.wait_for(job_id, timeout=20))
    events = pooled_producer.follow(job_id=job_id)
    assert (await anext(events)).event == "snapshot"
    await eventually(lambda: pooled_producer._subscriber._refused_until > 0)
    async with PgQueuerConsumer(config, "robot") as robot:
        [job] = await robot.claim_jobs(1)
        await robot.complete_job(job, "x")

    assert [event.event async for event in events][-1] == "completed"
    assert (await waiting).result == "x"


async def test_to_follow_a_queue_is_refused_with_the_way_out(pooled_producer, connection):
    with pytest.raises(ConfigError, match="PGQUEUER_DIRECT_URL"):
        await anext(pooled_producer.follow())
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.subscriptions") == 0


async def test_a_queue_is_followed_past_the_pooler(pooled_and_direct):
    async with PgQueuerProducer(pooled_and_direct) as producer:
        events = producer.follow()
        assert (await anext(events)).event == "following"
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        event = await anext(events)
        assert (event.event, event.job_id, event.status) == ("enqueued", job_id, JobStatus.PENDING)
        await events.aclose()
