"""Waiting for jobs to end: with one statement for all of them, and without a storm of them."""

from __future__ import annotations

import asyncio
import os
import time
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    WaitTimedOut,
)
from tests.waiting import eventually


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
async def robot(config):
    async with PgQueuerConsumer(config.model_copy(update={"max_concurrent_jobs": 1000}), "robot") as opened:
        yield opened


@pytest.fixture
async def looks(producer, monkeypatch):
    """How many ids each statement has asked for."""
    asked: list[int] = []
    find_ended = producer._calls.find_ended

    async def counting(connection, ids):
        asked.append(len(ids))
        return await find_ended(connection, ids)

    monkeypatch.setattr(producer._calls, "find_ended", counting)
    return asked


async def is_waited_for(producer, waits=1):
    await eventually(lambda: sum(map(len, producer._waits._waiting.values())) == waits)


async def test_what_ended_long_ago_and_what_there_is_not_is_answered_at_once(producer, robot, looks):
    job_id = await producer.enqueue_job(a_job())
    await robot.complete_job(await robot.claim_job(), "x")

    assert (await producer.wait_for(str(job_id))).result == "x"
    for unknown in (uuid4(), str(uuid4()), "no id"):
        with pytest.raises(JobNotFound):
            await producer.wait_for(unknown)
    assert looks == [1, 1, 1]


async def test_a_callers_own_timeout_stays_a_plain_one(producer):
    job_id = await producer.enqueue_job(a_job())
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.1):
            await producer.wait_for(job_id, timeout=60)
    assert not isinstance(raised.value, WaitTimedOut)


async def test_many_are_asked_about_together_and_ever_more_slowly(producer, robot, looks):
    ids = await producer.enqueue_batch([a_job(payload={"n": n}) for n in range(200)])
    waiting = [asyncio.create_task(producer.wait_for(job_id)) for job_id in ids]
    await is_waited_for(producer, 200)
    await eventually(lambda: len(looks) >= 8)
    rounds, began = len(looks), time.monotonic()
    await eventually(lambda: len(looks) >= rounds + 3)
    assert time.monotonic() - began > 0.3  # by now there are pauses of 0.1 s and more between them
    assert set(looks) == {200}

    for job in await robot.claim_jobs(200):
        await robot.complete_job(job, job.payload["n"])
    assert [job.result for job in await asyncio.gather(*waiting)] == list(range(200))
    assert len(looks) < 200


async def test_more_than_a_statement_takes_are_asked_about_in_several(producer, robot, looks, monkeypatch):
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.waits.MAX_BATCH", 300)
    ids = await producer.enqueue_batch([a_job()] * 700)
    for job in await robot.claim_jobs(700):
        await robot.complete_job(job)
    assert len(await asyncio.gather(*(producer.wait_for(job_id) for job_id in ids))) == 700
    assert looks == [300, 300, 100]


async def test_results_that_are_too_much_for_one_answer_come_with_the_next(producer, robot, looks, connection):
    body = await connection.fetchval("SELECT pg_get_functiondef('pgqueuer.find_ended'::regproc)")
    assert "16777216" in body
    await connection.execute(body.replace("16777216", "100000"))
    ids = await producer.enqueue_batch([a_job()] * 24)
    for job in await robot.claim_jobs(24):
        await robot.complete_job(job, os.urandom(10_000).hex())
    jobs = await asyncio.gather(*(producer.wait_for(job_id) for job_id in ids))

    assert {len(job.result) for job in jobs} == {20_000}
    assert [job.id for job in jobs] == ids
    assert len(looks) > 1
    assert looks[1] < 24


async def test_the_end_of_a_long_job_is_heard_of(producer, robot, looks, monkeypatch):
    """Looks alone would find it a minute later here."""
    job_id = await producer.enqueue_job(a_job())
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.waits.LONGEST_PAUSE", 60.0)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.waits.GROWTH", 10_000)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producing.waits.LISTEN_AFTER", 0.05)
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await eventually(lambda: any(w.hearing for w in producer._subscriber._all()))
    await eventually(lambda: producer._waits._pause == 60.0)
    job, looked = await robot.claim_job(), len(looks)
    await robot.complete_job(job)
    began = time.monotonic()

    assert (await waiting).status is JobStatus.COMPLETED
    assert time.monotonic() - began < 5
    assert looks[looked:] == [1]


async def test_waiting_goes_on_while_the_database_is_away(producer, robot, monkeypatch, connection):
    job_id = await producer.enqueue_job(a_job())
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await is_waited_for(producer)
    job = await robot.claim_job()
    down = True

    async def refuse(*_, **__):
        if down:
            raise ConnectionResetError("away")
        return await find_ended(*_, **__)

    find_ended = producer._calls.find_ended
    monkeypatch.setattr(producer._calls, "find_ended", refuse)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'casare producer%'"
    )
    await robot.complete_job(job)
    with pytest.raises(WaitTimedOut):
        await producer.wait_for(job_id, timeout=0.5)
    assert not waiting.done()
    down = False

    assert (await waiting).status is JobStatus.COMPLETED


async def answers_of(producer, job_id, waits=3):
    """What several who wait for a job get within a moment."""
    waiting = [asyncio.create_task(producer.wait_for(job_id)) for _ in range(waits)]
    async with asyncio.timeout(5):
        return await asyncio.gather(*waiting, return_exceptions=True)


async def test_everybody_who_waits_gets_an_error_of_his_own(producer, monkeypatch):
    job_id = await producer.enqueue_job(a_job())

    async def refuse(connection, ids):
        raise JobNotFound(job_id, "refused")

    monkeypatch.setattr(producer._calls, "find_ended", refuse)
    errors = await answers_of(producer, job_id)
    assert [(type(error), str(error), error.job_id) for error in errors] == [(JobNotFound, "refused", job_id)] * 3
    assert len(set(map(id, errors))) == 3


async def test_a_row_that_cannot_be_read_is_an_error_for_those_who_wait_for_it_alone(producer, robot, monkeypatch):
    broken, sound = await producer.enqueue_batch([a_job(), a_job()])
    for job in await robot.claim_jobs(2):
        await robot.complete_job(job, "x")
    find_ended = producer._calls.find_ended

    async def garble(connection, ids):
        rows = map(dict, await find_ended(connection, ids))
        return [row | ({"result": "{"} if row["id"] == broken else {}) for row in rows]

    monkeypatch.setattr(producer._calls, "find_ended", garble)
    errors, [found] = await asyncio.gather(answers_of(producer, broken), answers_of(producer, sound, 1))
    assert [isinstance(error, ValueError) for error in errors] == [True] * 3
    assert len(set(map(id, errors))) == 3
    assert found.result == "x"
