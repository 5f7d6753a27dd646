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
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import claim, contents, crash, id_of, jobs, pass_time, robot_without_heartbeat
from tests.waiting import eventually

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from tests.clock import FrozenClock


def lease_of(job: JobModel) -> float:
    """Return the seconds from the claim until the lease ends."""
    assert job.lease_expires_at is not None
    assert job.claimed_at is not None
    return (job.lease_expires_at - job.claimed_at).total_seconds()


async def test_a_lease_lasts_the_claimers_timeout_or_the_jobs_own(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    own = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=120))
    claimers = await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config.model_copy(update={"visibility_timeout": 45}), robot_id="r") as consumer:
        assert [lease_of(job) for job in await consumer.claim_jobs(2)] == [120, 45]
        assert lease_of(await producer.get_job(own)) == 120
        assert lease_of(await producer.get_job(claimers)) == 45


async def test_the_timeout_is_30_seconds_by_default(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    assert lease_of(await crash(config)) == 30


@pytest.mark.parametrize("start", [True, False], ids=["RUNNING", "CLAIMED"])
async def test_a_job_whose_timeout_ran_out_waits_again_and_the_attempt_counts(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock, start: bool
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await crash(config, start=start)
    await pass_time(clock, 29.9)
    assert await producer.get_job_status(job_id) is (JobStatus.RUNNING if start else JobStatus.CLAIMED)
    await pass_time(clock, 0.2)
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.crashes, job.claimed_by) == (JobStatus.PENDING, 1, 1, None)
    assert await producer.get_queue_depth() == 1
    (attempt,) = await producer.get_attempts(job_id)
    assert (attempt.outcome, attempt.robot) == ("expired", "doomed")
    assert attempt.error == "the visibility timeout of 30 s ran out without a heartbeat from doomed"
    async with PgQueuerConsumer(config, robot_id="next") as consumer:
        assert (await claim(consumer)).attempt == 2


async def test_an_expired_lease_that_nobody_took_may_still_be_completed(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(config) as robot:
        job = await claim(robot)
        await clock.advance(1000)
        await robot.start_job(job)
        await robot.complete_job(job, result=1)
    assert await producer.get_job_status(job_id) is JobStatus.COMPLETED


async def test_an_expired_lease_that_nobody_took_may_still_be_failed_and_released(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    await producer.enqueue_batch(jobs(0, 1))
    async with robot_without_heartbeat(config) as robot:
        failing, releasing = await robot.claim_jobs(2)
        await clock.advance(1000)
        assert await robot.fail_job(failing, "no") is JobStatus.PENDING
        await robot.release_job(releasing)
    assert [a.outcome for a in await producer.get_attempts(id_of(failing))] == ["failed"]
    assert [a.outcome for a in await producer.get_attempts(id_of(releasing))] == ["released"]


async def test_an_expired_lease_that_nobody_took_may_still_be_renewed(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=4))
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        await claim(consumer)
        await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = passed_at + interval '1 hour'")
        later = await clock.advance(6)
        consumer._lifeline.beat_now()

        async def renewed() -> bool:
            job = await producer.get_job(job_id)
            return job.lease_expires_at is not None and job.lease_expires_at > later

        await eventually(renewed)
        await pass_time(clock, 3)
        assert await producer.get_job_status(job_id) is JobStatus.CLAIMED


@pytest.mark.parametrize("taken", [True, False], ids=["taken by another robot", "back in the queue"])
async def test_a_lost_lease_makes_every_settlement_raise_and_changes_nothing(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock, taken: bool
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(config) as robot, robot_without_heartbeat(config, robot_id="next") as other:
        job = await claim(robot)
        await pass_time(clock, 31)
        if taken:
            await claim(other)
        before = await contents(connection)
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
        assert await contents(connection) == before


async def test_a_robot_that_claims_the_same_job_again_cannot_settle_with_its_first_token(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with robot_without_heartbeat(config) as robot:
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
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=0.8))
    async with PgQueuerConsumer(config, robot_id="r") as consumer:

        async def handler(_: JobModel) -> str:
            time.sleep(1.8)  # noqa: ASYNC251 - blocking the loop is what is tested
            return "done"

        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: _is(producer, job_id, JobStatus.COMPLETED))
        await consumer.stop()
        await running
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["completed"]


async def test_after_a_heartbeat_that_failed_the_next_one_comes_at_once(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        await claim(consumer)
        assert consumer._leases.heartbeat_interval() == 15
        await eventually(lambda: consumer._lifeline.beats)
        beats = consumer._lifeline.beats
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'casare lifeline r'"
        )
        consumer._lifeline.beat_now()  # on the connection that has just been cut
        await eventually(lambda: consumer._lifeline.beats > beats, within=5)


@pytest.fixture
async def left_by_a_dead_robot(config: QueueConfig, connection: asyncpg.Connection) -> UUID:
    """A job whose robot has died, and nobody did the upkeep since."""
    async with PgQueuerProducer(config) as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await crash(config.model_copy(update={"visibility_timeout": 0.3}))
    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '1 second'")
    return job_id


async def test_a_producer_alone_puts_back_what_a_dead_robot_held(
    config: QueueConfig, left_by_a_dead_robot: UUID
) -> None:
    async with PgQueuerProducer(config) as producer:
        await eventually(lambda: _is(producer, left_by_a_dead_robot, JobStatus.PENDING))


async def test_a_robot_alone_puts_back_what_a_dead_robot_held_and_does_it(
    config: QueueConfig, left_by_a_dead_robot: UUID
) -> None:
    done = asyncio.Event()
    async with PgQueuerConsumer(config, robot_id="r") as consumer:

        async def handler(job: JobModel) -> None:
            assert job.attempt == 2
            done.set()

        running = asyncio.create_task(consumer.run(handler))
        await asyncio.wait_for(done.wait(), 10)
        await consumer.stop()
        await running


async def test_a_lone_claim_puts_back_what_a_dead_robot_held(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=3))
    await crash(config)
    async with robot_without_heartbeat(config, robot_id="next") as robot:
        await clock.advance(4)
        assert (await claim(robot)).attempt == 2


async def test_when_the_database_was_away_the_gap_is_added_to_every_lease(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock
) -> None:
    ids = await producer.enqueue_batch(jobs(0, 1))
    await pass_time(clock, 1)
    async with robot_without_heartbeat(config) as robot:
        await robot.claim_jobs(2)
        await clock.advance(3600)
        await connection.execute("SELECT pgqueuer.upkeep()")
        for job_id in ids:
            job = await producer.get_job(job_id)
            assert (job.status, lease_of(job)) == (JobStatus.CLAIMED, 3630)
        await pass_time(clock, 29.9)
        assert await producer.get_job_status(ids[0]) is JobStatus.CLAIMED
        await pass_time(clock, 0.2)
        assert await producer.get_job_status(ids[0]) is JobStatus.PENDING


async def test_upkeep_is_done_by_one_at_a_time_and_never_waited_for(
    producer: PgQueuerProducer, connection: asyncpg.Connection, config: QueueConfig
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with connection.transaction():
        await connection.execute("SELECT FROM pgqueuer.upkeep_state FOR UPDATE")
        async with robot_without_heartbeat(config) as robot:
            await asyncio.wait_for(claim(robot), 5)


async def _is(producer: PgQueuerProducer, job_id: UUID, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status
