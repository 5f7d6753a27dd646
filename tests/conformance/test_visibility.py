"""A lease lasts a visibility timeout and is renewed by heartbeats. The token decides, not the clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    LeaseLost,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, contents, crash, id_of, jobs, pass_time, robot_without_heartbeat
from tests.waiting import eventually

if TYPE_CHECKING:
    from uuid import UUID

    from tests.conformance.queues import Clock, Queue


def lease_of(job: JobModel) -> float:
    """Return the seconds from the claim until the lease ends."""
    assert job.lease_expires_at is not None
    assert job.claimed_at is not None
    return (job.lease_expires_at - job.claimed_at).total_seconds()


async def test_a_lease_lasts_the_claimers_timeout_or_the_jobs_own(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    own = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=120))
    claimers = await producer.enqueue_job(JobModel(workflow="w"))
    async with queue.consumer(config.model_copy(update={"visibility_timeout": 45}), robot_id="r") as consumer:
        assert [lease_of(job) for job in await consumer.claim_jobs(2)] == [120, 45]
        assert lease_of(await producer.get_job(own)) == 120
        assert lease_of(await producer.get_job(claimers)) == 45


async def test_the_timeout_is_30_seconds_by_default(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    assert lease_of(await crash(queue, config)) == 30


@pytest.mark.parametrize("start", [True, False], ids=["RUNNING", "CLAIMED"])
async def test_a_job_whose_timeout_ran_out_waits_again_and_the_attempt_counts(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock, start: bool
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await crash(queue, config, start=start)
    await pass_time(clock, 29.9)
    assert await producer.get_job_status(job_id) is (JobStatus.RUNNING if start else JobStatus.CLAIMED)
    await pass_time(clock, 0.2)
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.crashes, job.claimed_by) == (JobStatus.PENDING, 1, 1, None)
    assert await producer.get_queue_depth() == 1
    (attempt,) = await producer.get_attempts(job_id)
    assert (attempt.outcome, attempt.robot) == ("expired", "doomed")
    assert attempt.error == "the visibility timeout of 30 s ran out without a heartbeat from doomed"
    async with queue.consumer(config, robot_id="next") as consumer:
        assert (await claim(consumer)).attempt == 2


async def test_an_expired_lease_that_nobody_took_may_still_be_completed(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(queue, config) as robot:
        job = await claim(robot)
        await clock.advance(1000)
        await robot.start_job(job)
        await robot.complete_job(job, result=1)
    assert await producer.get_job_status(job_id) is JobStatus.COMPLETED


async def test_an_expired_lease_that_nobody_took_may_still_be_failed_and_released(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    await producer.enqueue_batch(jobs(0, 1))
    async with robot_without_heartbeat(queue, config) as robot:
        failing, releasing = await robot.claim_jobs(2)
        await clock.advance(1000)
        assert await robot.fail_job(failing, "no") is JobStatus.PENDING
        await robot.release_job(releasing)
    assert [a.outcome for a in await producer.get_attempts(id_of(failing))] == ["failed"]
    assert [a.outcome for a in await producer.get_attempts(id_of(releasing))] == ["released"]


@pytest.mark.parametrize("taken", [True, False], ids=["taken by another robot", "back in the queue"])
async def test_a_lost_lease_makes_every_settlement_raise_and_changes_nothing(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock, taken: bool
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with (
        robot_without_heartbeat(queue, config) as robot,
        robot_without_heartbeat(queue, config, robot_id="next") as other,
    ):
        job = await claim(robot)
        await pass_time(clock, 31)
        if taken:
            await claim(other)
        before = await contents(queue)
        for settle in (
            robot.start_job(job),
            robot.complete_job(job, result=1),
            robot.fail_job(job, "no"),
            robot.fail_job(job, "no", business=True),
            robot.release_job(job),
        ):
            with pytest.raises(LeaseLost, match=f"the lease on job {job.id} is lost") as caught:
                await settle
            assert caught.value.job_id == job.id
        assert await contents(queue) == before


async def test_a_robot_that_claims_the_same_job_again_cannot_settle_with_its_first_token(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(queue, config) as robot:
        first = await claim(robot)
        await pass_time(clock, 31)
        second = await claim(robot)
        assert first.id == second.id
        assert first.lease_token != second.lease_token
        with pytest.raises(LeaseLost):
            await robot.complete_job(first, result="old")
        await robot.complete_job(second, result="new")
    assert (await producer.get_job(job_id)).result == "new"


@pytest.mark.blocks_the_loop
async def test_a_handler_that_blocks_the_event_loop_does_not_lose_its_lease(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=0.8))
    async with queue.consumer(config, robot_id="r") as consumer:

        async def handler(_: JobModel) -> str:
            time.sleep(1.8)  # noqa: ASYNC251 - blocking the loop is what is tested
            return "done"

        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: _is(producer, job_id, JobStatus.COMPLETED))
        await consumer.stop()
        await running
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["completed"]


async def test_a_lone_claim_puts_back_what_a_dead_robot_held(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=3))
    await crash(queue, config)
    async with robot_without_heartbeat(queue, config, robot_id="next") as robot:
        await clock.advance(4)
        assert (await claim(robot)).attempt == 2


async def _is(producer: PgQueuerProducer, job_id: UUID, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status
