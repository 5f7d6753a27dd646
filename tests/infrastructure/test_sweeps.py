"""A robot that finds nothing sweeps instead of looking, and never gets stuck in a sweep that takes too long."""

from __future__ import annotations

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer


@pytest.fixture
async def robot(config, producer):
    async with PgQueuerConsumer(config, "robot") as opened:
        yield opened


async def test_after_a_sweep_that_took_too_long_comes_a_look(robot, producer, monkeypatch):
    claimer = robot._claimer
    assert (await claimer.claim(1, start=True)).jobs == []  # looks and sweeps
    claim, sweeps = claimer._claim, []

    async def claim_but_sweeps_hang(limit, *, floors=None, **rest):
        if floors is not None:
            sweeps.append(limit)
            raise TimeoutError
        return await claim(limit, floors=floors, **rest)

    monkeypatch.setattr(claimer, "_claim", claim_but_sweeps_hang)
    claimer._swept = float("-inf")
    await producer.enqueue_job(JobModel(workflow="w"))
    with pytest.raises(TimeoutError):
        await claimer.claim(1, start=True)
    assert [job.workflow for job in (await claimer.claim(1, start=True)).jobs] == ["w"]
    assert sweeps == [1]


async def test_an_idle_robot_that_sweeps_asks_once(robot, monkeypatch):
    claimer = robot._claimer
    await claimer.claim(1, start=True)
    claim, asked = claimer._claim, []

    async def count(limit, *, floors=None, **rest):
        asked.append("sweep" if floors is not None else "look")
        return await claim(limit, floors=floors, **rest)

    monkeypatch.setattr(claimer, "_claim", count)
    claimer._swept = float("-inf")
    await claimer.claim(1, start=True)
    assert asked == ["sweep"]
    claimer._looked_back = float("-inf")
    await claimer.claim(1, start=True)
    assert asked == ["sweep", "look"]
