"""A new job wakes a robot at once; when nobody hears of it, it waits for five seconds at most."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from tests.faults.fleet import Ledger, robots
from tests.waiting import eventually

LONGEST_WAIT = 5.0
"""Seconds that a job may wait while a robot is free."""
AT_ONCE = 1.0
"""Seconds within which a robot that was woken has begun; one that looks by itself needs more, most of the time."""


@pytest.fixture
def rarely(config):
    """Settings of robots that look by themselves as rarely as they may."""
    return config.model_copy(update={"poll_interval": 60.0})


async def hears(robot: PgQueuerConsumer) -> None:
    await eventually(lambda: robot._lifeline.hears_of_jobs, why="the robot is known to hear of jobs")


async def test_whatever_makes_a_job_ready_wakes_a_robot(rarely, producer, connection):
    """One after the other: a look of the robot's own cannot have come at the right moment each time."""
    async with PgQueuerConsumer(rarely, "first") as first:
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
        to_release, to_retry, to_bury = await first.claim_jobs(3)
        await first.fail_job(to_bury, "bad data", business=True)

        async def enqueue_with_a_caller():
            async with connection.transaction():
                await producer.enqueue_job(JobModel(workflow="w"), connection=connection)

        in_sql = "SELECT pgqueuer.enqueue_job('w', p_queue => $1, p_notify => true)"
        ways = {
            "enqueued": lambda: producer.enqueue_job(JobModel(workflow="w")),
            "enqueued in a batch": lambda: producer.enqueue_batch([JobModel(workflow="w")]),
            "enqueued in a caller's transaction": enqueue_with_a_caller,
            "enqueued in SQL": lambda: connection.fetchval(in_sql, rarely.queue_name),
            "released": lambda: first.release_job(to_release),
            "retried": lambda: first.fail_job(to_retry, "try again", retry_in=0),
            "redriven": lambda: producer.redrive_jobs([to_bury.id]),
            "resumed": producer.resume_queue,
        }
        ledger = Ledger()
        async with robots(rarely, 1, ledger) as [robot]:
            for way, make_ready in ways.items():
                if way == "resumed":
                    await producer.pause_queue()
                    await producer.enqueue_job(JobModel(workflow="w"))
                await hears(robot)
                began, handled = time.monotonic(), ledger.handled.total()
                await make_ready()
                await eventually(lambda: ledger.handled.total() > handled, LONGEST_WAIT, way)  # noqa: B023 - awaited here
                assert time.monotonic() - began < AT_ONCE, way


async def test_a_deferred_job_is_begun_when_it_is_due(rarely, producer):
    begun = []

    async def note(job: JobModel) -> None:
        assert job.run_at is not None
        begun.append(datetime.now(UTC) - job.run_at)

    async with robots(rarely, 1, Ledger(note)) as [robot]:
        await hears(robot)
        await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) + timedelta(seconds=1.5)))
        [late] = await eventually(lambda: begun)
    assert timedelta(0) <= late < timedelta(seconds=LONGEST_WAIT)


async def test_lost_notifications_delay_a_job_by_five_seconds_at_most(rarely, proxy, producer):
    """The listener was proven to hear, and its link is alive in every other way."""
    ledger = Ledger()
    async with robots(rarely.model_copy(update={"database_url": proxy.url}), 1, ledger) as [robot]:
        await hears(robot)
        proxy.deaf = True
        began = time.monotonic()
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(partial(ledger.handled.get, job_id), 2 * LONGEST_WAIT)
        assert time.monotonic() - began < LONGEST_WAIT + 0.5


async def test_a_notification_lost_with_its_connection_is_made_up_for(rarely, producer, connection):
    """Whatever was announced while nobody listened is looked for when somebody listens again."""
    ledger = Ledger()
    listener = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name LIKE 'casare lifeline%' AND datname = current_database()"
    )
    async with robots(rarely, 1, ledger) as [robot]:
        for _ in range(3):
            await hears(robot)
            await eventually(partial(connection.fetchval, listener), why="there is a listener to disconnect")
            began = time.monotonic()
            job_id = await producer.enqueue_job(JobModel(workflow="w"))
            await eventually(partial(ledger.handled.get, job_id), LONGEST_WAIT)
            assert time.monotonic() - began < 2 * AT_ONCE


async def test_ten_thousand_jobs_for_others_at_the_head_delay_nobody(rarely, producer):
    other = JobModel(workflow="w", priority=20, requirements={"capabilities": ["sap"]})
    await producer.enqueue_batch([other] * 10_000)
    ledger = Ledger()
    async with robots(rarely, 1, ledger) as [robot]:
        for _ in range(3):
            await hears(robot)
            began = time.monotonic()
            job_id = await producer.enqueue_job(JobModel(workflow="w", priority=0))
            await eventually(partial(ledger.handled.get, job_id), LONGEST_WAIT)
            assert time.monotonic() - began < AT_ONCE
    assert set(ledger.handled.values()) == {1}
    assert await producer.get_queue_depth() == 10_000
