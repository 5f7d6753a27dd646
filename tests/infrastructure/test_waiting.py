"""Waiting for jobs to end: with one statement for all of them, and without a storm of them."""

from __future__ import annotations

import asyncio
import os
import time
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobFailed,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
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


async def test_a_job_that_completes_is_returned_whole(producer, robot):
    job_id = await producer.enqueue_job(a_job(payload={"n": 1}))
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await is_waited_for(producer)
    await robot.complete_job(await robot.claim_job(), {"total": 12})

    job = await waiting
    assert (job.id, job.status, job.result, job.payload) == (job_id, JobStatus.COMPLETED, {"total": 12}, {"n": 1})
    assert job == await producer.get_job(job_id)


async def test_a_result_is_returned_and_an_end_without_one_is_raised(producer, robot):
    done, failed, cancelled = [producer.handle(job_id) for job_id in await producer.enqueue_batch([a_job()] * 3)]
    await robot.complete_job(await robot.claim_job(), [1, 2])
    await robot.fail_job(await robot.claim_job(), "bad data", business=True)
    assert await cancelled.cancel()

    assert await done.result() == [1, 2]
    with pytest.raises(JobFailed, match=f"job {failed.job_id} has ended FAILED: bad data") as raised:
        await failed.result()
    assert raised.value.job.dead_letter_reason == "business"
    with pytest.raises(JobFailed, match="has ended CANCELLED"):
        await cancelled.result()
    assert await cancelled.status() is JobStatus.CANCELLED
    assert (await done.job()).result == [1, 2]


async def test_a_failed_attempt_is_no_end(producer, robot):
    job_id = await producer.enqueue_job(a_job(retry_delay=0))
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await robot.fail_job(await robot.claim_job(), "down", retry_in=0)
    with pytest.raises(WaitTimedOut):
        await producer.wait_for(job_id, timeout=0.1)
    assert not waiting.done()
    await robot.complete_job(await eventually(robot.claim_job))

    assert (await waiting).attempt == 2


async def test_a_job_that_failed_and_is_redriven_later_was_waited_for(producer, robot):
    job_id = await producer.enqueue_job(a_job())
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await is_waited_for(producer)
    await robot.fail_job(await robot.claim_job(), "bad data", business=True)
    assert (await waiting).status is JobStatus.FAILED

    await producer.redrive_jobs([job_id])
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await is_waited_for(producer)
    await robot.complete_job(await robot.claim_job())
    assert (await waiting).status is JobStatus.COMPLETED


async def test_what_ended_long_ago_and_what_there_is_not_is_answered_at_once(producer, robot, looks):
    job_id = await producer.enqueue_job(a_job())
    await robot.complete_job(await robot.claim_job(), "x")

    assert (await producer.wait_for(str(job_id))).result == "x"
    for unknown in (uuid4(), str(uuid4()), "no id"):
        with pytest.raises(JobNotFound):
            await producer.wait_for(unknown)
    assert looks == [1, 1, 1]


async def test_a_purged_job_is_not_waited_for_any_longer(producer):
    job_id = await producer.enqueue_job(a_job())
    waiting = asyncio.create_task(producer.wait_for(job_id))
    await is_waited_for(producer)
    await producer.purge_queue()

    with pytest.raises(JobNotFound, match=str(job_id)):
        await waiting


async def test_a_wait_ends_with_its_time_and_the_job_goes_on(producer, robot):
    job_id = await producer.enqueue_job(a_job())
    began = time.monotonic()
    with pytest.raises(WaitTimedOut, match=f"job {job_id} has not ended within 0.2 s") as raised:
        await producer.wait_for(job_id, timeout=0.2)
    assert isinstance(raised.value, TimeoutError)
    assert 0.2 <= time.monotonic() - began < 1

    waiting = asyncio.create_task(producer.wait_for(job_id))
    await robot.complete_job(await robot.claim_job())
    assert (await waiting).status is JobStatus.COMPLETED


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "1"])
async def test_a_timeout_that_is_none_is_refused(producer, seconds):
    with pytest.raises(ConfigError, match="timeout must be more than 0 seconds"):
        await producer.wait_for(uuid4(), timeout=seconds)


async def test_a_callers_own_timeout_stays_a_plain_one(producer):
    job_id = await producer.enqueue_job(a_job())
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.1):
            await producer.wait_for(job_id, timeout=60)
    assert not isinstance(raised.value, WaitTimedOut)


async def test_who_gives_up_harms_no_other_even_on_the_same_job(producer, robot):
    ids = await producer.enqueue_batch([a_job()] * 2)
    given_up = [asyncio.create_task(producer.wait_for(job_id)) for job_id in ids]
    staying = [asyncio.create_task(producer.wait_for(job_id)) for job_id in ids]
    await is_waited_for(producer, 4)
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    for _ in ids:
        await robot.complete_job(await robot.claim_job(), "x")

    first, second = await asyncio.gather(*staying)
    assert (first.result, second.result) == ("x", "x")
    assert not producer._waits._waiting


async def test_two_who_wait_for_a_job_get_models_of_their_own(producer, robot):
    job_id = await producer.enqueue_job(a_job())
    both = asyncio.gather(producer.wait_for(job_id), producer.wait_for(job_id))
    await is_waited_for(producer, 2)
    await robot.complete_job(await robot.claim_job(), {})
    first, second = await both
    first.result["mine"] = True
    assert second.result == {}


async def test_many_are_asked_about_together_and_ever_more_slowly(producer, robot, looks):
    ids = await producer.enqueue_batch([a_job(payload={"n": n}) for n in range(300)])
    waiting = [asyncio.create_task(producer.wait_for(job_id)) for job_id in ids]
    await is_waited_for(producer, 300)
    await eventually(lambda: len(looks) >= 8)
    rounds, began = len(looks), time.monotonic()
    await eventually(lambda: len(looks) >= rounds + 3)
    assert time.monotonic() - began > 0.3  # by now there are pauses of 0.1 s and more between them
    assert set(looks) == {300}

    for job in await robot.claim_jobs(300):
        await robot.complete_job(job, job.payload["n"])
    assert [job.result for job in await asyncio.gather(*waiting)] == list(range(300))
    assert len(looks) < 200


async def test_more_than_a_statement_takes_are_asked_about_in_several(producer, robot, looks, monkeypatch):
    monkeypatch.setattr("casare_rpa.infrastructure.queue.waits.MAX_BATCH", 300)
    ids = await producer.enqueue_batch([a_job()] * 700)
    for job in await robot.claim_jobs(700):
        await robot.complete_job(job)
    assert len(await asyncio.gather(*(producer.wait_for(job_id) for job_id in ids))) == 700
    assert looks == [300, 300, 100]


async def test_results_that_are_too_much_for_one_answer_come_with_the_next(producer, robot, looks):
    ids = await producer.enqueue_batch([a_job()] * 24)
    for job in await robot.claim_jobs(24):
        await robot.complete_job(job, os.urandom(400_000).hex())
    jobs = await asyncio.gather(*(producer.wait_for(job_id) for job_id in ids))

    assert {len(job.result) for job in jobs} == {800_000}
    assert [job.id for job in jobs] == ids
    assert len(looks) > 1
    assert looks[1] < 24


async def test_the_end_of_a_long_job_is_heard_of(producer, robot, looks, monkeypatch):
    """Looks alone would find it a minute later here."""
    job_id = await producer.enqueue_job(a_job())
    monkeypatch.setattr("casare_rpa.infrastructure.queue.waits.LONGEST_PAUSE", 60.0)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.waits.GROWTH", 10_000)
    monkeypatch.setattr("casare_rpa.infrastructure.queue.waits.LISTEN_AFTER", 0.05)
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


async def test_closing_the_producer_ends_every_wait_with_an_error(config):
    async with PgQueuerProducer(config) as producer:
        ids = await producer.enqueue_batch([a_job()] * 2)
        waiting = [asyncio.create_task(producer.wait_for(job_id)) for job_id in ids]
        await is_waited_for(producer, 2)
    for task in waiting:
        with pytest.raises(ConfigError, match="was closed"):
            await task
    with pytest.raises(ConfigError, match="not open"):
        await producer.wait_for(ids[0])

    async with producer:
        assert await producer.cancel_job(ids[0])
        assert (await producer.wait_for(ids[0])).status is JobStatus.CANCELLED
