"""What strangers put in through SQL, and what handlers bring that nobody foresaw: one bad job never harms the others."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.waiting import eventually

DEEP = '{"a":' * 70 + "1" + "}" * 70


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("enqueue_job('w', p_run_at => 'infinity')", "run_at must lie between the years 1970 and 3000"),
        ("enqueue_job('w', p_run_at => '-infinity')", "run_at must lie between"),
        ("enqueue_job('w', p_run_at => '20000-01-01')", "run_at must lie between"),
        ("enqueue_job('w', p_run_at => '0100-01-01 BC')", "run_at must lie between"),
        ("enqueue_job('w', '{\"n\": 1e5000}')", "has a number of thousands of digits"),
        (f"enqueue_job('w', '{DEEP}')", "is nested deeper than 64 levels"),
        ("enqueue_job('w', p_options => '{\"requirements\": {\"capabilities\": 5}}')", "capabilities must be a list"),
        ('enqueue_job(\'w\', p_options => \'{"requirements": {"labels": {"a": 1}}}\')', "labels must be an object"),
        ("enqueue_job('w', p_options => '{\"requirements\": {\"pool\": []}}')", "environment and pool must be words"),
        ("enqueue_jobs('[{\"workflow\": \"w\"}]', '{99}', ARRAY[gen_random_uuid()], '{\"{}\"}')", "templates"),
        ("enqueue_jobs('[]', NULL, ARRAY[gen_random_uuid()], '{\"{}\"}')", "templates"),
    ],
)
async def test_what_no_robot_could_read_is_refused(connection: asyncpg.Connection, call: str, says: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match=says) as refusal:
        await connection.fetch(f"SELECT * FROM pgqueuer.{call}")
    assert refusal.value.sqlstate == "CR004"
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 0


async def test_a_payload_that_cannot_be_read_is_a_dead_letter_and_harms_no_other(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    bad, good = await producer.enqueue_batch([JobModel(workflow="bad"), JobModel(workflow="good")])
    await connection.execute("UPDATE pgqueuer.jobs SET payload = '{\"n\": 1e5000}' WHERE id = $1", bad)

    async def handle(_: JobModel) -> str:
        return "done"

    async with PgQueuerConsumer(config, "r") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: _is(producer, good, JobStatus.COMPLETED))
        reason = "SELECT error FROM pgqueuer.dead_letter_queue WHERE id = $1"
        error = await eventually(lambda: connection.fetchval(reason, bad))
        await robot.stop()
        await working
    assert error.startswith("this job cannot be read: ValueError")


@pytest.mark.parametrize("way", ["stop in a task of its own", "run is cancelled"])
async def test_however_a_robot_ends_it_holds_nothing(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, way: str
) -> None:
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(2000)])
    many = config.model_copy(update={"max_concurrent_jobs": 50, "batch_size": 50})

    async def handle(_: JobModel) -> None:
        await asyncio.sleep(0)

    for n in range(6):
        async with PgQueuerConsumer(many, f"r{n}") as robot:
            running = asyncio.create_task(robot.run(handle))
            await asyncio.sleep(0.02 * n)  # at any moment
            if way == "run is cancelled":
                running.cancel()
            else:
                stopping = asyncio.create_task(robot.stop())
            await asyncio.wait([running])
        if way != "run is cancelled":
            await stopping
    held = "SELECT count(*) FROM pgqueuer.jobs WHERE status <> 'PENDING' OR crashes > 0 OR attempt > 0"
    assert await connection.fetchval(held) == 0


async def test_a_claim_by_hand_that_is_under_way_at_the_stop_is_given_back(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(500)])
    for n in range(5):
        robot = PgQueuerConsumer(config, f"r{n}")
        await robot.__aenter__()
        claims = [asyncio.create_task(robot.claim_jobs(20)) for _ in range(3)]
        await asyncio.sleep(0.002 * n)  # at any moment
        await robot.stop()
        await asyncio.wait(claims)
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs WHERE status <> 'PENDING'") == 0


async def test_the_id_of_a_dead_letter_is_not_used_twice(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, "r") as robot:
        job = await robot.claim_job()
        assert job is not None
        await robot.fail_job(job, "bad", business=True)
    again = 'SELECT * FROM pgqueuer.enqueue_jobs(\'[{"workflow": "w"}]\', NULL, ARRAY[$1::uuid], \'{"{}"}\')'
    with pytest.raises(asyncpg.PostgresError, match="an id of this batch is taken"):
        await connection.fetch(again, job_id)
    assert await producer.redrive_jobs([job_id, uuid4()]) == [job_id]


async def _is(producer: PgQueuerProducer, job_id: UUID, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status
