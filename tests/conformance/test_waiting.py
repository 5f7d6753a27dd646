"""Waiting for jobs to end: with one statement for all of them, and without a storm of them."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobFailed,
    JobModel,
    JobNotFound,
    JobStatus,
    WaitTimedOut,
)
from tests.waiting import eventually


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
async def robot(queue, config):
    async with queue.consumer(config.model_copy(update={"max_concurrent_jobs": 1000}), "robot") as opened:
        yield opened


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


async def test_the_message_of_an_end_without_a_result_is_short_and_of_that_end(producer, robot):
    long, cancelled = [
        producer.handle(job_id) for job_id in await producer.enqueue_batch([a_job(), a_job(retry_delay=1000)])
    ]
    error = f"\n{'x' * 300}\n" + "a line of a traceback\n" * 2000
    await robot.fail_job(await robot.claim_job(), error, business=True)
    await robot.fail_job(await robot.claim_job(), "of the first attempt")
    assert await cancelled.cancel()

    with pytest.raises(JobFailed) as raised:
        await long.result()
    assert str(raised.value) == f"job {long.job_id} has ended FAILED: {'x' * 199}…"
    assert raised.value.job.error.endswith("a line of a traceback\n")
    with pytest.raises(JobFailed) as raised:
        await cancelled.result()
    assert str(raised.value) == f"job {cancelled.job_id} has ended CANCELLED"


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


async def test_closing_the_producer_ends_every_wait_with_an_error(queue, config):
    async with queue.producer(config) as producer:
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
