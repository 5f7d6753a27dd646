"""Any login can fill the server's queue of notifications: then nothing is announced, and everything else goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.queue import (
    DatabaseUnavailable,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)
from casare_rpa.infrastructure.queue.doctor import examine
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FLOOD = "SELECT pg_notify('flood', repeat('x', 7000) || g) FROM generate_series(1, 20) g"


@pytest.fixture
async def flooded(connection: asyncpg.Connection) -> AsyncIterator[QueueConfig]:
    """A queue on a server whose queue of notifications is full, because a session that listens is in a transaction."""
    if connection.get_server_version().major < 17:
        pytest.skip("needs PostgreSQL 17, whose queue of notifications can be made small")
    server = EmbeddedPostgres(settings={"max_notify_queue_pages": "64", "fsync": "off"})
    await asyncio.to_thread(server.start)
    try:
        config = QueueConfig(database_url=server.url, connection_pool_size=2, outage_patience=2, poll_interval=0.1)
        await migrate(config)
        yield config
    finally:
        await asyncio.to_thread(server.stop)


async def overflow(flood: asyncpg.Connection) -> None:
    while True:
        await flood.execute(FLOOD)


async def fill(config: QueueConfig) -> tuple[asyncpg.Connection, asyncpg.Connection]:
    forgotten = await asyncpg.connect(config.database_url, server_settings={"application_name": "forgotten"})
    await forgotten.execute("LISTEN flood")
    await forgotten.execute("BEGIN")
    await forgotten.execute("SELECT 1")
    flood = await asyncpg.connect(config.database_url)
    with pytest.raises(asyncpg.ProgramLimitExceededError):
        await asyncio.wait_for(overflow(flood), 30)
    return forgotten, flood


async def test_jobs_go_through_their_whole_life_and_leases_expire(flooded: QueueConfig) -> None:
    async with PgQueuerProducer(flooded) as producer, PgQueuerConsumer(flooded, robot_id="r") as robot:
        await producer.enqueue_batch([JobModel(workflow="w", retry_delay=0) for _ in range(6)])
        held = await robot.claim_jobs(limit=6)
        ids = [UUID(str(job.id)) for job in held]
        for job in held[:5]:
            await robot.start_job(job)
        forgotten, flood = await fill(flooded)

        await producer.enqueue_job(JobModel(workflow="w"))
        await robot.fail_job(held[0], "x", retry_in=0)
        await robot.release_job(held[1])
        await robot.complete_job(held[2])
        assert await producer.cancel_job(ids[3])
        assert await producer.cancel_job(ids[5])
        await producer.pause_queue()
        await producer.resume_queue()
        await flood.execute(
            "UPDATE pgqueuer.jobs SET lease_expires_at = now() - interval '1 s' WHERE status = 'RUNNING'"
        )
        await flood.execute("SELECT pgqueuer.upkeep(true)")
        statuses = [await producer.get_job_status(job_id) for job_id in ids]
        assert statuses == [
            JobStatus.PENDING,
            JobStatus.PENDING,
            JobStatus.COMPLETED,
            JobStatus.CANCELLED,
            JobStatus.PENDING,
            JobStatus.CANCELLED,
        ]

        done: list[str] = []

        async def handler(job: JobModel) -> None:
            done.append(job.workflow)

        async with PgQueuerConsumer(flooded, robot_id="another") as another:
            running = asyncio.create_task(another.run(handler))
            await eventually(lambda: len(done) == 4)
            await another.stop()
            await running
        await forgotten.close()
        await flood.close()


async def test_the_doctor_says_that_it_is_full_and_who_may_be_why(flooded: QueueConfig) -> None:
    forgotten, flood = await fill(flooded)
    [found] = [finding for finding in await examine(flooded) if finding.check == "notifications"]
    assert found.state == "problem"
    assert str(forgotten.get_server_pid()) in found.found
    assert "forgotten" in found.found
    assert f"pg_terminate_backend({forgotten.get_server_pid()})" in (found.advice or "")
    await forgotten.close()
    await flood.close()


async def test_a_subscription_says_what_is_in_its_way(flooded: QueueConfig) -> None:
    forgotten, flood = await fill(flooded)
    with pytest.raises(asyncpg.ProgramLimitExceededError) as raised:
        await flood.execute("SELECT pgqueuer.subscribe(gen_random_uuid(), '{}', '{}', 'hello')")
    said = translate(raised.value)
    assert isinstance(said, DatabaseUnavailable)
    assert "notifications" in str(said)
    assert "casare doctor" in str(said)
    await forgotten.close()
    await flood.close()


async def test_only_a_subscription_notifies_whatever_the_queue_of_notifications_says(
    connection: asyncpg.Connection,
) -> None:
    loud = "SELECT proname FROM pg_proc WHERE pronamespace = 'pgqueuer'::regnamespace AND prosrc LIKE '%pg_notify(%' ORDER BY 1"
    assert [row["proname"] for row in await connection.fetch(loud)] == ["notify_quietly", "subscribe"]
