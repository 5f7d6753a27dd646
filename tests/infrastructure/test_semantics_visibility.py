"""A lease lasts a visibility timeout and is renewed by heartbeats. The token decides, not the clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import claim, crash, jobs, pass_time, robot_without_heartbeat
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
