"""The frozen clock: time stands, moves, and goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobModel,
    JobStatus,
    NotPermitted,
    PgQueuerConsumer,
    QueueConfig,
)
from casare_rpa.orchestrator import JobQueue
from casare_rpa.testing import FrozenClock
from tests.waiting import eventually


def consumer_of(queue):
    if isinstance(queue, QueueConfig):
        return PgQueuerConsumer(queue, "robot")
    return queue.consumer("robot")


async def test_it_stands_moves_and_goes_on(queue, producer):
    async with FrozenClock(queue) as clock:
        began = await clock.now()
        first = await producer.get_job(await producer.enqueue_job(JobModel(workflow="w")))
        assert await clock.advance(90) == began + timedelta(seconds=90)
        second = await producer.get_job(await producer.enqueue_job(JobModel(workflow="w")))
        assert (first.created_at, second.created_at) == (began, began + timedelta(seconds=90))
        assert await clock.freeze() == began + timedelta(seconds=90)
    after = await producer.get_job(await producer.enqueue_job(JobModel(workflow="w")))
    assert abs(after.created_at - datetime.now(UTC)) < timedelta(seconds=30)


@pytest.mark.parametrize("step", [-5, -0.001, float("nan"), float("inf")])
async def test_time_does_not_go_back(queue, step):
    async with FrozenClock(queue) as clock:
        began = await clock.now()
        with pytest.raises(ConfigError, match=r"advance\(\) takes seconds from 0 up"):
            await clock.advance(step)
        assert await clock.now() == began


async def test_a_clock_that_runs_says_so(queue):
    clock = FrozenClock(queue)
    for ask in (clock.now, lambda: clock.advance(5)):
        with pytest.raises(ConfigError, match="not stopped: use it as `async with"):
            await ask()
    async with clock:
        assert await clock.now() == await clock.advance(0)
    with pytest.raises(ConfigError, match="not stopped"):
        await clock.now()


def test_the_clock_in_memory_does_not_go_back_either():
    clock = JobQueue().clock
    clock.freeze()
    with pytest.raises(ConfigError, match="not -5"):
        clock.advance(-5)


async def test_a_lease_runs_out_when_time_passes_and_not_when_only_the_clock_moves(queue, producer):
    job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=20))
    async with FrozenClock(queue) as clock, consumer_of(queue) as consumer:
        await consumer.claim_job()
        await clock.advance(19)
        assert await producer.get_job_status(job_id) is JobStatus.CLAIMED
        await clock.advance(2)
        assert await producer.get_job_status(job_id) is JobStatus.PENDING


async def test_a_robot_that_waits_hears_of_a_job_whose_time_has_come(queue, producer):
    done = []

    async def handler(job):
        done.append(job.id)

    import asyncio

    async with FrozenClock(queue) as clock, consumer_of(queue) as consumer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=await clock.now() + timedelta(days=100)))
        working = asyncio.create_task(consumer.run(handler))
        await clock.advance(100 * 86_400)
        await eventually(lambda: done == [job_id])
        await eventually(lambda: producer.get_job(job_id))
        await consumer.stop()
        await working


async def test_after_it_the_upkeep_goes_on_in_real_time(casare_config, connection):
    async with FrozenClock(casare_config) as clock:
        await clock.advance(86_400)
    assert await connection.fetchval("SELECT pgqueuer.upkeep()") != 1  # there was a pass just now
    await eventually(lambda: passed_upkeep(connection), within=5)
    assert await connection.fetchval("SELECT to_regclass('pgqueuer.frozen_clock')") is None


async def passed_upkeep(connection):
    return await connection.fetchval("SELECT pgqueuer.upkeep()") == 1


async def test_a_login_that_owns_nothing_may_not_stop_it(casare_database_url, connection):
    await connection.execute("DROP ROLE IF EXISTS clock_stopper; CREATE ROLE clock_stopper LOGIN PASSWORD 'stop'")
    try:
        host = casare_database_url.partition("@")[2]
        with pytest.raises(NotPermitted):
            await FrozenClock(QueueConfig(database_url=f"postgresql://clock_stopper:stop@{host}")).freeze()
    finally:
        await connection.execute("DROP ROLE clock_stopper")


def test_it_needs_a_database():
    with pytest.raises(ConfigError, match="no database"):
        FrozenClock(QueueConfig())
