"""A robot that finds nothing asks once each time, and still finds whatever lies beside the ordinary scan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer
from casare_rpa.infrastructure.queue.consuming import claiming
from casare_rpa.infrastructure.queue.consuming.settlement import Settlement
from tests.infrastructure.helpers import claim, id_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from casare_rpa.infrastructure.queue.calls import ClaimArguments, ClaimReply
    from casare_rpa.infrastructure.queue.consuming.claiming import Claimed

BEYOND_ALL = 2**40
"""A place that no job of these tests comes to."""


class Asked(NamedTuple):
    """What one statement asked for."""

    jobs: int
    look_back: bool
    from_zero: bool


LOOK, LOOK_BACK, SWEEP = Asked(3, False, False), Asked(3, True, False), Asked(3, True, True)


class Idle:
    """A robot that has found nothing, has done all its looks just now, and knows a floor below which it does not scan."""

    def __init__(self, robot: PgQueuerConsumer, asked: list[Asked]) -> None:
        assert robot._claimer is not None
        self.robot = robot
        self._claimer = robot._claimer
        self.asked = asked
        """What the statements of the last claim asked for."""

    async def claim(self, settling: list[Settlement] | None = None) -> Claimed:
        """Look for three jobs as `run` does."""
        self.asked.clear()
        return await self._claimer.claim(3, start=True, settling=settling)

    async def poll(self) -> tuple[list[UUID], list[Asked]]:
        """Look for three jobs as `run` does, and return the ids of what was found and what was asked for."""
        claimed = await self.claim()
        return [id_of(job) for job in claimed.jobs], [*self.asked]

    def is_later(self, seconds: float) -> None:
        """Let so much time have passed since its looks, as far as it can tell."""
        self._claimer._looked_back -= seconds
        self._claimer._swept -= seconds

    def raise_floors(self) -> None:
        """Let whatever is enqueued from now on lie below its floors: nothing but a sweep finds it."""
        for route in self._claimer._floors._routes.values():
            route.floor = BEYOND_ALL


@pytest.fixture
async def idle(config: QueueConfig, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Idle]:
    monkeypatch.setattr(claiming, "CHEAP_SWEEP", 60.0)  # on a machine that has other things to do
    asked: list[Asked] = []
    async with PgQueuerConsumer(config.model_copy(update={"max_concurrent_jobs": 100}), "idle") as robot:
        calls = robot._calls
        ask = calls.claim

        async def note(connection: asyncpg.Connection, what: ClaimArguments, settle: object = None) -> ClaimReply:
            asked.append(Asked(what.limit, what.look_back, not what.floors))
            return await ask(connection, what, settle)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(calls, "claim", note)
        made = Idle(robot, asked)
        await producer.enqueue_job(JobModel(workflow="known"))
        await made.poll()  # learns of its route
        assert await made.poll() == ([], [LOOK, LOOK_BACK])
        yield made


async def test_one_statement_a_poll(idle: Idle) -> None:
    for seconds, statements in (
        (1.0, [LOOK_BACK]),
        (2.0, [LOOK_BACK]),
        (5.0, [SWEEP]),
        (3.0, [LOOK_BACK]),
        (60.0, [SWEEP]),
    ):
        idle.is_later(seconds)
        assert await idle.poll() == ([], statements), seconds


async def test_a_sweep_that_takes_long_comes_after_a_look(idle: Idle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new must not wait for it."""
    idle.is_later(5)
    assert await idle.poll() == ([], [SWEEP])
    monkeypatch.setattr(claiming, "CHEAP_SWEEP", 0.0)
    idle.is_later(5)
    assert await idle.poll() == ([], [LOOK_BACK, SWEEP])


async def test_one_that_has_found_something_looks_at_what_is_new_first(idle: Idle, producer: PgQueuerProducer) -> None:
    new = await producer.enqueue_job(JobModel(workflow="new"))
    idle.is_later(1)
    assert await idle.poll() == ([new], [LOOK_BACK])
    idle.is_later(5)
    assert await idle.poll() == ([], [LOOK_BACK, SWEEP])
    idle.is_later(5)
    assert await idle.poll() == ([], [SWEEP])


@pytest.mark.parametrize(("seconds", "statement"), [(1.0, LOOK_BACK), (5.0, SWEEP)])
async def test_it_finds_what_is_new(idle: Idle, producer: PgQueuerProducer, seconds: float, statement: Asked) -> None:
    new = await producer.enqueue_batch([JobModel(workflow="new")] * 3)
    idle.is_later(seconds)
    assert await idle.poll() == (new, [statement])


@pytest.mark.parametrize(("seconds", "statement"), [(1.0, LOOK_BACK), (5.0, SWEEP)])
async def test_it_finds_what_was_given_back_below_its_floors(
    idle: Idle, config: QueueConfig, producer: PgQueuerProducer, seconds: float, statement: Asked
) -> None:
    given_back = [await producer.enqueue_job(JobModel(workflow=each)) for each in ("released", "failed", "busy")]
    async with PgQueuerConsumer(config, "other") as other:
        held = [await claim(other) for _ in given_back]
        await other.release_job(held[0])
        await other.fail_job(held[1], "again", retry_in=0)
        idle.raise_floors()
        idle.is_later(seconds)
        found, [asked, *_] = await idle.poll()
        assert (found, asked) == (given_back[:2], statement)


@pytest.mark.parametrize(("seconds", "statement"), [(1.0, LOOK_BACK), (5.0, SWEEP)])
async def test_it_finds_what_has_become_due(
    idle: Idle, producer: PgQueuerProducer, connection: asyncpg.Connection, seconds: float, statement: Asked
) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    ids = await producer.enqueue_batch([JobModel(workflow="deferred", run_at=in_an_hour)] * 3)
    idle.is_later(1)
    assert await idle.poll() == ([], [LOOK_BACK])
    await connection.execute("UPDATE pgqueuer.jobs SET run_at = now() - interval '1 s' WHERE deferred")
    idle.is_later(seconds)
    assert await idle.poll() == (ids, [statement])


async def test_its_sweep_finds_what_lies_below_its_floors_and_nothing_else_does(
    idle: Idle, producer: PgQueuerProducer
) -> None:
    idle.raise_floors()
    below = await producer.enqueue_batch([JobModel(workflow="below")] * 3)
    idle.is_later(1)
    assert await idle.poll() == ([], [LOOK_BACK])
    idle.is_later(5)
    assert await idle.poll() == (below, [SWEEP])


async def test_its_sweep_settles_what_waits_for_the_next_claim(idle: Idle, producer: PgQueuerProducer) -> None:
    """The handler ran while there was nothing else to do."""
    await producer.enqueue_job(JobModel(workflow="long"))
    idle.is_later(1)
    [job] = (await idle.claim()).jobs
    idle.is_later(1)
    assert await idle.poll() == ([], [LOOK_BACK])
    assert job.lease_token is not None
    idle.is_later(5)
    claimed = await idle.claim([Settlement(id_of(job), job.lease_token, "completed", result='"done"')])
    assert (claimed.jobs, claimed.statuses, idle.asked) == ([], [JobStatus.COMPLETED], [SWEEP])
    assert (await producer.get_job(id_of(job))).result == "done"
