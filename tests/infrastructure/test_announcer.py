"""How often a producer announces: seldom to nobody, soon again to robots that wait, and nothing twice or not at all."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, announcer
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig

FOR_EVER = 3600.0


class Announced:
    """What a producer has announced: when, and how many jobs."""

    def __init__(self, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began: list[float] = []
        self.jobs: list[int] = []
        self.robots: list[int] = []
        self._announce = producer._calls.announce
        monkeypatch.setattr(producer._calls, "announce", self._note)

    async def _note(self, connection: asyncpg.Connection, jobs_by_queue: dict[str, int]) -> int:
        self.began.append(time.monotonic())
        robots = await self._announce(connection, jobs_by_queue)
        self.jobs.append(sum(jobs_by_queue.values()))
        self.robots.append(robots)
        return robots


@pytest.fixture
def announced(producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> Announced:
    return Announced(producer, monkeypatch)


async def test_while_nobody_waits_one_announcement_speaks_of_all_that_came_meanwhile(
    producer: PgQueuerProducer, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "SHORTEST_GAP", FOR_EVER)
    monkeypatch.setattr(announcer, "LONGEST_GAP", FOR_EVER)
    jobs = 0
    while len(announced.jobs) < 5:
        await producer.enqueue_job(JobModel(workflow="w"))
        jobs += 1
    await eventually(lambda: sum(announced.jobs) == jobs, why="each was announced once")
    assert set(announced.robots) == {0}
    gaps = [later - sooner for sooner, later in zip(announced.began, announced.began[1:], strict=False)]
    assert min(gaps) >= announcer.GAP_OF_NOBODY * 0.99


async def test_while_a_robot_waits_the_pause_of_nobody_is_not_made(
    config: QueueConfig, producer: PgQueuerProducer, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PgQueuerConsumer(config, "r") as robot:
        robot._lifeline.want_jobs(True)
        await eventually(lambda: robot._lifeline.hears_of_jobs, why="the robot waits")
        monkeypatch.setattr(announcer, "GAP_OF_NOBODY", FOR_EVER)
        for count in range(1, 4):
            await producer.enqueue_job(JobModel(workflow="w"))
            await eventually(lambda: sum(announced.jobs) == count, why=f"job {count} is announced")  # noqa: B023 - awaited here
        assert announced.robots == [1, 1, 1]


async def test_a_robot_that_begins_to_wait_during_the_pause_begins_what_was_announced_to_nobody(
    config: QueueConfig, producer: PgQueuerProducer, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks by itself when it begins to wait: the next announcement may be as late as it likes."""
    monkeypatch.setattr(announcer, "GAP_OF_NOBODY", 1.0)
    await producer.enqueue_job(JobModel(workflow="first"))
    await eventually(lambda: announced.robots == [0], why="the first is announced to nobody")
    await producer.enqueue_job(JobModel(workflow="during the pause"))
    handled: list[str] = []

    async def handle(job: JobModel) -> None:
        handled.append(job.workflow)

    async with PgQueuerConsumer(config.model_copy(update={"poll_interval": 60.0}), "r") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: len(handled) == 2)
        await robot.stop()
        await working
    assert handled == ["first", "during the pause"]
