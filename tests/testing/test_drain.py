"""`drain` works jobs off as a robot would, and says what became of them."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime, timedelta

import pytest

from casare_rpa.infrastructure.queue import BusinessError, JobModel, JobStatus
from casare_rpa.testing import AttemptFailed, FrozenClock, drain


async def double(job):
    return job.payload["n"] * 2


async def enqueue(producer, *numbers, **fields):
    return [
        await producer.enqueue_job(JobModel(workflow="double", payload={"n": number}, **fields)) for number in numbers
    ]


async def test_every_waiting_job_is_done_in_the_order_of_a_robot(queue, producer):
    ids = await enqueue(producer, 1, 2)
    [urgent] = await enqueue(producer, 3, priority=20)
    done = await drain(queue, double)
    assert [(job.id, job.result) for job in done.completed] == [(urgent, 6), (ids[0], 2), (ids[1], 4)]
    assert (done.failed, done.cancelled, done.lost, done.errors, done.attempts) == ([], [], [], {}, 3)
    assert (await producer.get_job(ids[0])).status is JobStatus.COMPLETED
    assert (await producer.get_job(ids[0])).claimed_by == "casare drain"


async def test_an_empty_queue_is_drained_at_once(queue):
    assert (await drain(queue, double)).attempts == 0


async def test_an_open_producer_will_do(producer):
    await enqueue(producer, 4)
    assert [job.result for job in (await drain(producer, double)).completed] == [8]


async def test_a_plain_function_runs_in_a_thread(queue, producer):
    await enqueue(producer, 5)

    def handler(job):
        return asyncio.run(double(job))  # which would be refused beside a running loop

    assert [job.result for job in (await drain(queue, handler)).completed] == [10]


async def test_retries_run_at_once_and_raise_nothing_when_one_succeeds(queue, producer):
    [job_id] = await enqueue(producer, 1, retry_delay=300)

    async def handler(job):
        if job.attempt < 3:
            raise ConnectionError(f"down at {job.attempt}")
        return "up"

    done = await drain(queue, handler)
    assert ([job.result for job in done.completed], done.attempts) == (["up"], 3)
    assert [str(error) for error in done.errors[job_id]] == ["down at 1", "down at 2"]
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["failed", "failed", "completed"]


async def test_the_handlers_own_error_is_raised_when_a_job_failed_for_good(queue, producer):
    [job_id] = await enqueue(producer, 1, max_retries=2)

    async def handler(job):
        return 1 / (job.payload["n"] - 1)

    with pytest.raises(ZeroDivisionError) as raised:
        await drain(queue, handler)
    assert raised.value.__notes__ == [f"in attempt 2 of 2 of double, job {job_id}"]
    assert "job.payload" in "".join(traceback.format_exception(raised.value))
    assert (await producer.get_job(job_id)).dead_letter_reason == "exhausted"


async def test_the_errors_of_several_jobs_come_as_a_group(queue, producer):
    await enqueue(producer, 1, 2, max_retries=1)
    with pytest.RaisesGroup(pytest.RaisesExc(KeyError), pytest.RaisesExc(KeyError)):
        await drain(queue, lambda job: job.payload["no"])


async def test_errors_are_returned_when_asked_for(queue, producer):
    [job_id] = await enqueue(producer, -1)

    async def handler(job):
        raise BusinessError(f"there is no {job.payload['n']}")

    done = await drain(queue, handler, raise_errors=False)
    [failed] = done.failed
    assert (failed.id, failed.error, failed.dead_letter_reason) == (job_id, "BusinessError: there is no -1", "business")
    assert [type(error) for error in done.errors[job_id]] == [BusinessError]


async def test_a_result_that_cannot_be_stored_and_a_time_limit_are_failures(queue, producer):
    await enqueue(producer, 1)
    with pytest.raises(AttemptFailed, match="result"):
        await drain(queue, lambda _: object())
    await enqueue(producer, 1)
    with pytest.raises(AttemptFailed, match="1048576"):
        await drain(queue, lambda _: "x" * 1_100_000)
    await enqueue(producer, 1, time_limit=0.01, max_retries=1)

    async def hang(_):
        await asyncio.sleep(60)

    with pytest.raises(AttemptFailed, match="longer than its time limit"):
        await drain(queue, hang)


async def test_what_is_not_waiting_is_left_alone(queue, producer):
    later = datetime.now(UTC) + timedelta(hours=1)
    await enqueue(producer, 1, run_at=later)
    await enqueue(producer, 2, queue_name="another")
    await enqueue(producer, 3, requirements={"capabilities": ["excel"]})
    assert (await drain(queue, double)).attempts == 0
    assert [job.result for job in (await drain(queue, double, queue_name="another")).completed] == [4]
    assert [job.result for job in (await drain(queue, double, capabilities=["excel"])).completed] == [6]


async def test_a_deferred_job_runs_when_its_time_has_come(queue, producer):
    async with FrozenClock(queue) as clock:
        await enqueue(producer, 1, run_at=await clock.now() + timedelta(hours=1))
        await clock.advance(3599)
        assert (await drain(queue, double)).attempts == 0
        await clock.advance(1)
        assert [job.result for job in (await drain(queue, double)).completed] == [2]


async def test_jobs_that_the_handler_enqueues_are_done_too(queue, producer):
    await enqueue(producer, 3)

    async def countdown(job):
        if job.payload["n"]:
            await enqueue(producer, job.payload["n"] - 1)

    assert (await drain(queue, countdown)).attempts == 4


async def test_a_job_that_never_ends_comes_to_the_limit(queue, producer):
    await enqueue(producer, 1)
    with pytest.raises(RuntimeError, match="still waiting after 5 attempts, the next of them double"):
        await drain(queue, lambda _: enqueue(producer, 1), limit=5)
    assert await producer.get_queue_depth() == 1


async def test_a_job_that_is_cancelled_while_it_runs(queue, producer):
    [job_id] = await enqueue(producer, 1)

    async def handler(job):
        await producer.cancel_job(job.id)
        raise ConnectionError("down")

    done = await drain(queue, handler)
    assert [job.id for job in done.cancelled] == [job_id]
    assert (done.failed, done.lost) == ([], [])


async def test_a_job_that_is_taken_away_while_it_runs(queue, producer):
    [job_id] = await enqueue(producer, 1, max_retries=1)
    async with FrozenClock(queue) as clock:

        async def handler(job):
            await clock.advance(31)

        done = await drain(queue, handler)
    assert [job.id for job in done.lost] == [job_id]
    assert (await producer.get_job(job_id)).dead_letter_reason == "exhausted"


async def test_something_else_is_no_queue():
    with pytest.raises(TypeError, match="not 'invoices'"):
        await drain("invoices", double)  # type: ignore[arg-type] # what a type checker would refuse
