"""What a robot does when its link breaks, falls silent or is slow: it keeps its leases, settles once, and stops in bounded time."""

from __future__ import annotations

import asyncio
import time

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from tests.faults.fleet import Ledger, each_completed_once, robots
from tests.links.conftest import PATIENCE, far_robot
from tests.waiting import eventually

A_MOMENT = 1.5
LONGEST_STOP = 20.0
"""Seconds that a robot takes to stop beyond its grace time and half a visibility timeout, at most; see the deployment guide."""


async def outcomes(producer, job_id) -> list[tuple[str, int]]:
    return [(attempt.outcome, attempt.attempt) for attempt in await producer.get_attempts(job_id)]


@pytest.mark.parametrize(
    "lost", [{"requests", "replies"}, {"requests"}, {"replies"}], ids=["both", "requests", "replies"]
)
async def test_a_heartbeat_link_that_falls_silent_is_replaced_before_the_lease_runs_out(
    link, far, producer, connection, lost
):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with far_robot(far) as robot:
        job = await robot.claim_job()
        assert job is not None
        link.black_hole(lost=frozenset(lost))
        link.lost = frozenset()  # new connections work
        before = robot._lifeline.beats
        await eventually(lambda: robot._lifeline.beats > before, far.visibility_timeout)
        await connection.execute("SELECT pgqueuer.upkeep(true)")
        link.cut()  # the pool's connections are silent too
        await robot.complete_job(job)
    assert await outcomes(producer, job_id) == [("completed", 1)]


@pytest.mark.parametrize("how", ["cut", "swallowed"])
async def test_a_claim_whose_reply_is_lost_comes_back_with_its_attempt(link, far, producer, how):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with far_robot(far) as robot:
        loss = link.lose_reply("settle_and_claim", cut=how == "cut")
        began = time.monotonic()
        first = await robot.claim_job()
        job = first or await eventually(robot.claim_job)
        assert loss.happened.is_set()
        assert time.monotonic() - began < far.visibility_timeout / 2 + 2.0 + A_MOMENT
        assert (job.id, job.attempt) == (job_id, 1)
        await robot.complete_job(job)
    assert await outcomes(producer, job_id) == [("released", 1), ("completed", 1)]


@pytest.mark.parametrize("how", ["cut", "reset", "swallowed"])
async def test_a_settlement_whose_reply_is_lost_settles_once(link, far, producer, connection, how):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with far_robot(far) as robot:
        job = await robot.claim_job()
        assert job is not None
        loss = link.lose_reply("settle_jobs", cut=False)
        began = time.monotonic()
        settling = asyncio.create_task(robot.complete_job(job, {"total": 12}))
        await loss.happened.wait()
        if how != "swallowed":
            getattr(link, how)()
        await settling
        assert time.monotonic() - began < PATIENCE + A_MOMENT
    assert await outcomes(producer, job_id) == [("completed", 1)]
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_history") == 1


async def test_nothing_is_lost_on_a_slow_link(link, far, producer, connection):
    """300 ms for each piece, both ways: a heartbeat takes more than half a second."""
    config = far.model_copy(update={"visibility_timeout": 12.0, "outage_patience": 20.0, "max_concurrent_jobs": 10})
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(10)])
    link.delay = 0.3
    ledger = Ledger()
    async with robots(config, 1, ledger) as [robot]:
        account = await each_completed_once(connection, ids)
        await eventually(lambda: robot._lifeline.beats > 0)
        link.delay = 0.0
    assert set(ledger.handled.values()) == {1}
    assert (account["attempts"], account["crashes"]) == (1, 0)


async def test_a_link_that_breaks_over_and_over_loses_nothing(link, far, producer, connection):
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(60)])
    ledger = Ledger(lambda _: asyncio.sleep(0.02))
    async with robots(far, 2, ledger):
        for breaks in (link.cut, link.reset, link.cut, link.reset):
            await ledger.grows_by(10)
            breaks()
        account = await each_completed_once(connection, ids)
    assert account["crashes"] == 0


async def test_stopping_over_a_black_hole_ends(link, far, producer):
    config = far.model_copy(update={"shutdown_grace": 0.5})
    began = asyncio.Event()

    async def forever(_: JobModel) -> None:
        began.set()
        await asyncio.Event().wait()

    consumer = PgQueuerConsumer(config, "robot")
    await consumer.__aenter__()
    await producer.enqueue_job(JobModel(workflow="w"))
    running = asyncio.create_task(consumer.run(forever))
    await began.wait()
    link.black_hole()
    stopping = time.monotonic()
    await consumer.stop()
    await asyncio.wait_for(running, 1)
    took = time.monotonic() - stopping
    assert took < config.shutdown_grace + config.visibility_timeout / 2 + LONGEST_STOP
    assert not consumer._lifeline._thread.is_alive()
