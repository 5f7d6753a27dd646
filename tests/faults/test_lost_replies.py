"""A reply that gets lost on the way is ordinary: whoever asked asks again, and what was done once is not done twice."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from casare_rpa.infrastructure.queue import (
    DuplicateReference,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
)
from tests.waiting import eventually

A_HEARTBEAT = 2.0
"""Seconds within which what a lost claim got must be back: the robot sends a heartbeat as soon as it gives up waiting."""


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
async def far_producer(through_proxy):
    async with PgQueuerProducer(through_proxy) as opened:
        yield opened


@pytest.fixture
async def robot(through_proxy):
    """A robot behind the proxy, with short leases."""
    config = through_proxy.model_copy(update={"visibility_timeout": 6.0, "poll_interval": 0.1})
    async with PgQueuerConsumer(config, "far robot") as opened:
        await eventually(lambda: opened._lifeline.beats > 0)
        yield opened


async def count(connection, table="jobs"):
    return await connection.fetchval(f"SELECT count(*) FROM pgqueuer.{table}")


async def test_an_enqueue_whose_reply_is_lost_has_made_one_job(proxy, far_producer, connection):
    loss = proxy.lose_reply("enqueue_jobs")
    job_id = await far_producer.enqueue_job(a_job(reference="R-1"))

    assert loss.happened.is_set()
    assert [row["id"] for row in await connection.fetch("SELECT id FROM pgqueuer.jobs")] == [job_id]
    with pytest.raises(DuplicateReference) as taken:
        await far_producer.enqueue_job(a_job(reference="R-1"))
    assert taken.value.job_id == job_id


async def test_an_enqueue_that_never_arrives_is_sent_again(proxy, far_producer, connection):
    loss = proxy.lose_request("enqueue_jobs")
    await far_producer.enqueue_batch([a_job(reference="R-1"), a_job()])

    assert loss.happened.is_set()
    assert await count(connection) == 2


async def test_a_batch_is_doubled_in_no_mode(proxy, far_producer, connection):
    taken = await far_producer.enqueue_job(a_job(reference="taken"))
    for mode in ("all", "each"):
        proxy.lose_reply("enqueue_jobs")
        jobs = [a_job(reference=f"{mode}-{n}") for n in range(3)] + [a_job(), a_job()]
        assert len(set(map(str, await far_producer.enqueue_batch(jobs, mode=mode)))) == 5
    assert await count(connection) == 11

    proxy.lose_reply("enqueue_jobs")
    results = await far_producer.enqueue_batch([a_job(reference="new"), a_job(reference="taken")], mode="each")
    assert results[0].error is None
    assert results[1].error.job_id == taken
    assert await count(connection) == 12


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
async def test_a_resent_enqueue_finds_its_job_when_it_has_already_ended(
    proxy, far_producer, producer, config, connection, end
):
    loss = proxy.lose_reply("enqueue_jobs", cut=False)
    enqueuing = asyncio.create_task(far_producer.enqueue_job(a_job(reference="R-1")))
    await loss.happened.wait()
    async with PgQueuerConsumer(config, "near robot") as near:
        if end == "cancel":
            [waiting] = await producer.list_jobs()
            await producer.cancel_job(waiting.id)
        else:
            [job] = await near.claim_jobs(1)
            await (near.complete_job(job) if end == "complete" else near.fail_job(job, "bad data", business=True))
    assert not enqueuing.done()
    proxy.cut()

    job_id = await enqueuing
    ended = {"complete": JobStatus.COMPLETED, "fail": JobStatus.FAILED, "cancel": JobStatus.CANCELLED}[end]
    assert await producer.get_job_status(job_id) is ended
    assert await count(connection) == 0
    assert await count(connection, "all_jobs") == 1


async def test_cut_after_any_byte_of_the_reply(proxy, far_producer, connection):
    await far_producer.enqueue_job(a_job(reference="first"))
    for number, replied in enumerate(range(0, 60, 4)):
        proxy.cut_after(replied)
        await far_producer.enqueue_job(a_job(reference=f"{number}"))
    proxy.cut_after(None)

    references = [row["reference"] for row in await connection.fetch("SELECT reference FROM pgqueuer.jobs")]
    assert sorted(references) == sorted(["first", *(f"{number}" for number in range(15))])


async def test_a_settlement_whose_reply_is_lost_is_reported_as_the_first_time(proxy, robot, producer, connection):
    for how, status in [
        (lambda job: robot.complete_job(job, {"total": 12}), JobStatus.COMPLETED),
        (lambda job: robot.fail_job(job, "the ERP was down", retry_in=3600), JobStatus.PENDING),
        (lambda job: robot.fail_job(job, "bad data", business=True), JobStatus.FAILED),
        (robot.release_job, JobStatus.PENDING),
    ]:
        job_id = await producer.enqueue_job(a_job())
        job = await robot.claim_job()
        loss = proxy.lose_reply("settle_jobs")
        await how(job)

        assert loss.happened.is_set()
        assert job.status is status
        assert await producer.get_job_status(job_id) is status
        assert len(await producer.get_attempts(job_id)) == 1
        await producer.cancel_job(job_id)


async def test_a_lost_release_is_answered_so_also_when_another_robot_holds_the_job_by_then(
    proxy, robot, producer, config
):
    job_id = await producer.enqueue_job(a_job())
    job = await robot.claim_job()
    loss = proxy.lose_reply("settle_jobs", cut=False)
    releasing = asyncio.create_task(robot.release_job(job))
    await loss.happened.wait()
    async with PgQueuerConsumer(config, "near robot") as near:
        [again] = await near.claim_jobs(1)
        proxy.cut()
        await releasing

        assert (again.id, again.attempt) == (job_id, 1)
        await near.complete_job(again)
    assert await producer.get_job_status(job_id) is JobStatus.COMPLETED


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "half-open"])
async def test_a_claim_whose_reply_is_lost_goes_back_unharmed(proxy, robot, producer, cut):
    job_id = await producer.enqueue_job(a_job())
    loss = proxy.lose_reply("settle_and_claim", cut=cut)
    began = time.monotonic()
    claiming = asyncio.create_task(robot.claim_job())
    await loss.happened.wait()
    assert cut or await producer.get_job_status(job_id) is JobStatus.CLAIMED
    await claiming
    patience = 0 if cut else robot.config.visibility_timeout / 2
    job = claiming.result() or await eventually(robot.claim_job, patience + A_HEARTBEAT)

    assert time.monotonic() - began < patience + A_HEARTBEAT
    assert (job.id, job.attempt) == (job_id, 1)
    assert [(a.outcome, a.attempt) for a in await producer.get_attempts(job_id)] == [("released", 1)]
    assert (await producer.get_job(job_id)).crashes == 0


async def test_a_running_robot_survives_the_loss_of_any_of_its_calls(proxy, robot, producer, connection):
    seen = []

    async def handler(job: JobModel) -> None:
        seen.append(job.id)
        await asyncio.sleep(0.005 * (len(seen) % 3))  # some end while a claim is under way, and are settled apart

    running = asyncio.create_task(robot.run(handler))
    ids = []
    for function in ("settle_and_claim", "settle_jobs", "heartbeat", "upkeep", "settle_and_claim", "settle_jobs"):
        for loss in (proxy.lose_reply(function), proxy.lose_request(function)):
            robot._lifeline.beat_now()
            deadline = time.monotonic() + 10
            while not loss.happened.is_set():
                assert time.monotonic() < deadline, f"{function} is lost"
                ids += await producer.enqueue_batch([a_job() for _ in range(5)])
                await eventually(lambda: loss.happened.is_set() or set(ids) <= set(seen))  # noqa: B023 - of this round
    await eventually(lambda: set(ids) <= set(seen))

    await eventually(partial(has_completed, connection, len(ids)))
    assert await connection.fetchval("SELECT max(crashes) FROM pgqueuer.job_history") == 0
    await robot.stop()
    await running


async def has_completed(connection, jobs):
    return await connection.fetchval("SELECT count(*) = $1 FROM pgqueuer.job_history WHERE status = 'COMPLETED'", jobs)
