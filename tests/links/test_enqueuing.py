"""What a producer does when its link breaks, falls silent or is slow: one job for one call, and an answer in bounded time."""

from __future__ import annotations

import asyncio
import time

import pytest

from casare_rpa.infrastructure.queue import DatabaseUnavailable, JobModel, PgQueuerProducer
from casare_rpa.infrastructure.queue.producer import HEALTH_TIMEOUT
from tests.links.conftest import PATIENCE
from tests.waiting import eventually

A_MOMENT = 1.5
"""Seconds that a loaded machine may take for what takes none."""


async def enqueued(connection) -> list[object]:
    return [row["id"] for row in await connection.fetch("SELECT id FROM pgqueuer.jobs ORDER BY seq")]


@pytest.mark.parametrize("how", ["cut", "reset"])
@pytest.mark.parametrize("lost", ["request", "reply"])
async def test_an_enqueue_on_a_link_that_breaks_makes_one_job(link, far_producer, connection, how, lost):
    await far_producer.get_queue_depth()
    loss = (link.lose_request if lost == "request" else link.lose_reply)("enqueue_jobs", cut=False)
    enqueuing = asyncio.create_task(far_producer.enqueue_job(JobModel(workflow="w")))
    await loss.happened.wait()
    assert len(await enqueued(connection)) == (0 if lost == "request" else 1)
    began = time.monotonic()
    (link.cut if how == "cut" else link.reset)()

    assert await enqueued(connection) in ([], [await enqueuing])
    assert await enqueued(connection) == [enqueuing.result()]
    assert time.monotonic() - began < A_MOMENT


async def test_an_enqueue_whose_reply_is_swallowed_is_sent_again_after_a_while_and_makes_one_job(
    link, far_producer, connection
):
    loss = link.lose_reply("enqueue_jobs", cut=False)
    began = time.monotonic()
    job_id = await far_producer.enqueue_job(JobModel(workflow="w", reference="R-1"))
    assert loss.happened.is_set()
    assert time.monotonic() - began < PATIENCE + A_MOMENT
    assert await enqueued(connection) == [job_id]


async def test_an_enqueue_that_arrives_after_it_was_sent_again_makes_one_job(link, far_producer, connection):
    """The first sending was held up on the way; its sender has long given it up when it arrives."""
    await far_producer.get_queue_depth()
    link.hold_requests()
    enqueuing = asyncio.create_task(far_producer.enqueue_job(JobModel(workflow="w", reference="R-1")))
    before = link.accepted
    await eventually(lambda: link.accepted > before, why="it is sent again, on a new connection")
    assert not enqueuing.done()
    link.open()
    job_id = await enqueuing
    assert await enqueued(connection) == [job_id]


async def test_enqueues_into_a_black_hole_end_in_time_or_arrive_when_the_link_is_back(link, far, connection):
    patience = far.outage_patience
    async with (
        PgQueuerProducer(far) as patient,
        PgQueuerProducer(far.model_copy(update={"outage_patience": 0})) as hasty,
    ):
        await asyncio.gather(patient.get_queue_depth(), hasty.get_queue_depth())
        link.black_hole()
        began = time.monotonic()
        enqueuing = asyncio.create_task(patient.enqueue_job(JobModel(workflow="w")))
        with pytest.raises(DatabaseUnavailable):
            await hasty.enqueue_job(JobModel(workflow="w"))
        assert PATIENCE - A_MOMENT < time.monotonic() - began < PATIENCE + A_MOMENT
        assert not enqueuing.done()
        link.open()
        job_id = await enqueuing
        assert time.monotonic() - began < patience + PATIENCE + A_MOMENT
    assert await enqueued(connection) == [job_id]


@pytest.mark.parametrize("how", ["refuses", "stop_listening"])
async def test_while_nobody_answers_an_enqueue_waits_and_then_says_so(link, far, connection, how):
    async with PgQueuerProducer(far.model_copy(update={"outage_patience": 1.0})) as producer:
        if how == "refuses":
            link.refuses = True
        else:
            link.stop_listening()
        link.cut()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as caught:
            await producer.enqueue_job(JobModel(workflow="w"))
        assert time.monotonic() - began < 1.0 + A_MOMENT
        assert "postgresql://" not in str(caught.value)
        if how == "stop_listening":
            await link.listen()
        link.open()
        assert await enqueued(connection) == [] != [await producer.enqueue_job(JobModel(workflow="w"))]


async def test_on_a_slow_link_everything_takes_longer_and_works(link, far, connection):
    link.delay = 0.1
    async with PgQueuerProducer(far) as producer:
        ids = await producer.enqueue_batch([JobModel(workflow="w", payload={"text": "x" * 1000}) for _ in range(100)])
        health = await producer.health_check()
    assert await enqueued(connection) == ids
    assert health.ok
    assert health.latency_ms is not None
    assert health.latency_ms > 200


@pytest.mark.parametrize("how", ["cut", "reset", "refuses", "stop_listening", "black_hole", "slow"])
async def test_a_health_check_answers_within_five_seconds_whatever_the_link_does(link, far_producer, how):
    match how:
        case "cut" | "reset":
            getattr(link, how)()
        case "refuses":
            link.refuses = True
        case "stop_listening":
            link.stop_listening()
        case "black_hole":
            link.black_hole()
        case "slow":
            link.delay = 0.2
    began = time.monotonic()
    health = await far_producer.health_check()
    assert time.monotonic() - began < HEALTH_TIMEOUT + A_MOMENT
    assert health.ok is (how in {"cut", "reset", "slow"})
    assert health.ok or health.error
    link.open()
