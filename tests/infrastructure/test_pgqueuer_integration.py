"""The queue as its users meet it, on a real PostgreSQL: settings, a job's life, retries, producer, consumer, the full flow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    BusinessError,
    EnqueueResult,
    JobFilter,
    JobModel,
    JobNotFound,
    JobPriority,
    JobStatus,
    LeaseLost,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)
from tests.infrastructure.helpers import claim, id_of, pass_time
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg

    from tests.clock import FrozenClock


# Configuration


def test_from_env_reads_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "PGQUEUER_DATABASE_URL": "postgresql://robot:secret@db.example:5433/queue",
        "PGQUEUER_QUEUE_NAME": "invoices",
        "PGQUEUER_MAX_CONCURRENT": "7",
        "PGQUEUER_VISIBILITY_TIMEOUT": "45.5",
        "PGQUEUER_POLL_INTERVAL": "0.5",
        "PGQUEUER_MAX_RETRIES": "5",
        "PGQUEUER_ENABLE_DLQ": "false",
        "PGQUEUER_BATCH_SIZE": "20",
        "PGQUEUER_POOL_SIZE": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert QueueConfig.from_env() == QueueConfig(
        database_url="postgresql://robot:secret@db.example:5433/queue",
        queue_name="invoices",
        max_concurrent_jobs=7,
        visibility_timeout=45.5,
        poll_interval=0.5,
        max_retries=5,
        enable_dlq=False,
        batch_size=20,
        connection_pool_size=1,
    )


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("1", True), ("on", True), ("0", False), ("no", False)]
)
def test_enable_dlq_is_read_as_people_write_it(value: str, expected: bool) -> None:
    assert QueueConfig.from_env({"PGQUEUER_ENABLE_DLQ": value}).enable_dlq is expected


def test_supabase_without_a_region_is_reached_directly() -> None:
    config = QueueConfig.from_supabase(project_ref="abcdefghij", password="p@ss/w:rd")
    url = urlsplit(config.require_url())
    assert (url.hostname, url.port, url.path) == ("db.abcdefghij.supabase.co", 5432, "/postgres")
    assert (url.username, url.password) == ("postgres", "p%40ss%2Fw%3Ard")
    assert url.query == "sslmode=require"


def test_supabase_with_a_region_goes_through_the_session_pooler() -> None:
    config = QueueConfig.from_supabase(
        project_ref="abcdefghij", password="secret", region="eu-central-1", queue_name="invoices"
    )
    url = urlsplit(config.require_url())
    assert (url.hostname, url.port) == ("aws-0-eu-central-1.pooler.supabase.com", 5432)
    assert url.username == "postgres.abcdefghij"
    assert url.query == "sslmode=require"
    assert config.queue_name == "invoices"


def test_local_names_a_postgresql_on_this_machine() -> None:
    assert QueueConfig.local(database="casare_rpa").database_url == "postgresql://postgres@localhost:5432/casare_rpa"


async def test_local_reaches_a_real_server(database_url: str) -> None:
    url = urlsplit(database_url)
    assert url.hostname is not None
    config = QueueConfig.local(
        database=url.path[1:],
        host=url.hostname,
        port=url.port or 5432,
        user=url.username or "",
        password=url.password or "",
    )
    async with PgQueuerProducer(config) as producer:
        assert (await producer.health_check()).ok


# The calls, as the specification writes them


async def test_migrate_makes_the_tables_columns_and_indexes_that_were_asked_for(empty_database_url: str) -> None:
    import asyncpg

    config = QueueConfig(database_url=empty_database_url)
    await migrate(config)
    connection = await asyncpg.connect(empty_database_url)
    try:
        columns = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'pgqueuer'"
        )
        indexes = await connection.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'pgqueuer'")
    finally:
        await connection.close()
    names = {(row["table_name"], row["column_name"]) for row in columns}
    assert {("jobs", column) for column in ("status", "priority", "created_at", "tenant_id")} <= names
    assert {"jobs", "dead_letter_queue", "job_history"} <= {table for table, _ in names}
    assert {"idx_jobs_status_priority", "idx_jobs_tenant"} <= {row["indexname"] for row in indexes}


async def test_the_producers_calls_work_as_written(config: QueueConfig, connection: asyncpg.Connection) -> None:
    model = JobModel(workflow="invoices")
    models = [JobModel(workflow="invoices", reference="r"), JobModel(workflow="invoices", reference="r")]
    async with PgQueuerProducer(config) as producer:
        job_id = await producer.enqueue_job(
            JobModel(workflow="invoices", payload={"invoice": 7}, priority=JobPriority.HIGH)
        )
        assert isinstance(job_id, UUID)
        async with connection.transaction():
            second_id = await producer.enqueue_job(model, connection=connection)
        assert isinstance(second_id, UUID)
        ids = await producer.enqueue_batch([JobModel(workflow="invoices", payload={"invoice": n}) for n in range(100)])
        assert len(set(ids)) == 100
        rows = await producer.enqueue_batch(models, mode="each")
        assert [type(row) for row in rows] == [EnqueueResult, EnqueueResult]
        assert isinstance(rows[0].id, UUID)
        assert rows[0].error is None
        assert rows[1].id is None
        assert rows[1].error is not None
        depth = await producer.get_queue_depth()
        assert depth == 103
        status = await producer.get_job_status(job_id)
        assert status is JobStatus.PENDING
        with pytest.raises(JobNotFound):
            await producer.get_job_status(uuid4())
        job = await producer.get_job(job_id)
        assert (job.id, job.payload, job.priority) == (job_id, {"invoice": 7}, JobPriority.HIGH)
        done = await producer.cancel_job(job_id)
        assert done is True
        health = await producer.health_check()
        assert health.ok is True
        assert health.latency_ms is not None
        assert health.latency_ms > 0
        assert health.server_version is not None
        assert health.schema_version is not None
        assert health.error is None
        count = await producer.purge_queue()
        assert count == 102


async def test_the_consumers_calls_work_as_written(config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch([JobModel(workflow="invoices", payload={"invoice": n}) for n in range(20)])
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        job = await claim(consumer)
        assert job.lease_token is not None
        assert job.status is JobStatus.CLAIMED
        jobs = await consumer.claim_jobs(limit=10)
        assert len(jobs) == 10
        await consumer.start_job(job)
        assert await producer.get_job_status(id_of(job)) is JobStatus.RUNNING
        await consumer.complete_job(job, result={"total": 12})
        assert (await producer.get_job(id_of(job))).result == {"total": 12}
        status = await consumer.fail_job(jobs[0], "the ERP was down", business=False, retry_in=None)
        assert status is JobStatus.PENDING
        assert await consumer.fail_job(jobs[1], "no such customer", business=True) is JobStatus.FAILED
        await consumer.release_job(jobs[2])
        assert await producer.get_job_status(id_of(jobs[2])) is JobStatus.PENDING
        for held in jobs[3:]:
            await consumer.release_job(held)

        worked: list[Any] = []

        async def handler(job: JobModel) -> None:
            worked.append(job.payload["invoice"])
            if len(worked) == 17:
                stopping.append(asyncio.create_task(consumer.stop()))

        stopping: list[asyncio.Task[None]] = []
        await consumer.run(handler)
        await stopping[0]
        await consumer.stop()
    assert len(worked) >= 17


async def test_claiming_from_an_empty_queue_brings_none(config: QueueConfig) -> None:
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        assert await consumer.claim_job() is None
        assert await consumer.claim_jobs(limit=10) == []


# The life of a job


async def test_the_life_of_a_job_from_pending_to_completed(config: QueueConfig, producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="invoices", payload={"invoice": 7}))
    waiting = await producer.get_job(job_id)
    assert (waiting.status, waiting.attempt) == (JobStatus.PENDING, 0)
    assert waiting.created_at is not None
    assert (waiting.claimed_by, waiting.claimed_at, waiting.lease_expires_at) == (None, None, None)
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        job = await claim(consumer)
        claimed = await producer.get_job(job_id)
        assert (claimed.status, claimed.attempt, claimed.claimed_by) == (JobStatus.CLAIMED, 1, "robot-1")
        assert claimed.claimed_at is not None
        assert claimed.lease_expires_at is not None
        assert claimed.started_at is None
        await consumer.start_job(job)
        running = await producer.get_job(job_id)
        assert running.status is JobStatus.RUNNING
        assert running.started_at is not None
        await consumer.complete_job(job, result={"total": 12})
    done = await producer.get_job(job_id)
    assert (done.status, done.attempt, done.claimed_by) == (JobStatus.COMPLETED, 1, "robot-1")
    assert (done.result, done.error, done.payload) == ({"total": 12}, None, {"invoice": 7})
    assert done.finished_at is not None
    assert waiting.created_at <= claimed.claimed_at <= running.started_at <= done.finished_at


async def test_what_a_settlement_did_stands_in_the_claimed_model(
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        completed, failed, released = await consumer.claim_jobs(3)
        await consumer.start_job(completed)
        assert (completed.status, completed.started_at is not None) == (JobStatus.RUNNING, True)
        await consumer.complete_job(completed, result=[1])
        assert (completed.status, completed.result) == (JobStatus.COMPLETED, [1])
        await consumer.fail_job(failed, "no", business=True)
        assert (failed.status, failed.error) == (JobStatus.FAILED, "no")
        await consumer.release_job(released)
        assert released.status is JobStatus.PENDING


async def test_any_json_value_is_a_result(config: QueueConfig, producer: PgQueuerProducer) -> None:
    results: list[Any] = [None, 0, "", False, [], {}, "text", 12.5, {"a": [1, None, True, "ä€🤖"]}]
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        for result in results:
            job_id = await producer.enqueue_job(JobModel(workflow="w"))
            await consumer.complete_job(await claim(consumer), result=result)
            found = (await producer.get_job(job_id)).result
            assert (type(found), found) == (type(result), result)


# Retries


async def test_a_job_has_three_attempts_and_then_lies_in_the_dead_letter_queue(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="invoices"))
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        statuses = []
        for attempt in (1, 2, 3):
            job = await claim(consumer)
            assert job.attempt == attempt
            statuses.append(await consumer.fail_job(job, f"the ERP was down for the {attempt}. time"))
            await pass_time(clock, 300)
        assert await consumer.claim_job() is None
    assert statuses == [JobStatus.PENDING, JobStatus.PENDING, JobStatus.FAILED]
    dead = await producer.get_job(job_id)
    assert (dead.status, dead.attempt, dead.dead_letter_reason) == (JobStatus.FAILED, 3, "exhausted")
    assert dead.error == "the ERP was down for the 3. time"
    assert [attempt.error for attempt in await producer.get_attempts(job_id)] == [
        f"the ERP was down for the {attempt}. time" for attempt in (1, 2, 3)
    ]
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.dead_letter_queue") == 1


# Producer and consumer


async def test_a_producer_can_be_closed_twice_and_opened_again(config: QueueConfig) -> None:
    producer = PgQueuerProducer(config)
    for _ in range(2):
        async with producer:
            await producer.enqueue_job(JobModel(workflow="w"))
        await producer.close()
    async with producer:
        assert await producer.get_queue_depth() == 2


async def test_many_calls_share_the_pooled_connections(config: QueueConfig, connection: asyncpg.Connection) -> None:
    async with PgQueuerProducer(config) as producer:
        await asyncio.gather(*(producer.enqueue_job(JobModel(workflow="w")) for _ in range(50)))
        assert await producer.get_queue_depth() == 50
        sessions = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'casare producer'"
        )
    assert 1 <= sessions <= config.connection_pool_size


async def test_a_closed_producer_and_a_stopped_consumer_leave_no_connection(
    config: QueueConfig, connection: asyncpg.Connection
) -> None:
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        await producer.enqueue_job(JobModel(workflow="w"))
        await consumer.claim_job()
    await eventually(
        lambda: connection.fetchval(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        ),
        why="only this test's own connection is left",
    )


async def test_the_heartbeat_extends_every_job_held(config: QueueConfig, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w", visibility_timeout=1) for _ in range(3)])
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        held = await consumer.claim_jobs(3)
        await consumer.start_job(held[0])

        async def extended_twice() -> bool:
            found = [await producer.get_job(job_id) for job_id in ids]
            return all(
                job.lease_expires_at is not None
                and job.claimed_at is not None
                and (job.lease_expires_at - job.claimed_at).total_seconds() > 1.6
                for job in found
            )

        await eventually(extended_twice)
        assert [(await producer.get_job(job_id)).attempt for job_id in ids] == [1, 1, 1]


async def test_several_jobs_run_at_once(config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
    all_there = asyncio.Barrier(3)
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:

        async def handler(_: JobModel) -> None:
            await all_there.wait()

        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: _completed(producer, 3))
        await consumer.stop()
        await running


async def test_a_graceful_stop_releases_what_is_still_held(config: QueueConfig, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(2)])
    async with PgQueuerConsumer(config, robot_id="robot-1") as consumer:
        by_hand = await consumer.claim_jobs(2)
        await consumer.start_job(by_hand[0])
    for job_id in ids:
        job = await producer.get_job(job_id)
        assert (job.status, job.attempt, job.claimed_by) == (JobStatus.PENDING, 0, None)
    with pytest.raises(LeaseLost):
        async with PgQueuerConsumer(config, robot_id="robot-2") as other:
            await other.complete_job(by_hand[0])


# The full flow


async def test_the_full_flow_from_submission_to_redrive(config: QueueConfig, producer: PgQueuerProducer) -> None:
    models = [JobModel(workflow="invoices", payload={"invoice": n}, retry_delay=0) for n in range(60)]
    ids = await producer.enqueue_batch(models)
    tried: dict[int, int] = {}

    async def handler(job: JobModel) -> dict[str, int]:
        invoice = job.payload["invoice"]
        tried[invoice] = tried.get(invoice, 0) + 1
        if invoice == 13 and job.claimed_by != "robot-3":
            raise BusinessError("this invoice has no customer")
        if invoice % 20 == 0 and job.attempt < 3:
            raise ConnectionError("the ERP was down")
        return {"total": invoice * 2}

    async with (
        PgQueuerConsumer(config, robot_id="robot-1") as first,
        PgQueuerConsumer(config, robot_id="robot-2") as second,
    ):
        running = [asyncio.create_task(robot.run(handler)) for robot in (first, second)]
        await eventually(lambda: _completed(producer, 59), within=20)
        dead = await eventually(producer.list_dead_letters)
        await first.stop()
        await second.stop()
        await asyncio.gather(*running)
    assert [(job.payload["invoice"], job.dead_letter_reason) for job in dead] == [(13, "business")]
    assert dead[0].error == "BusinessError: this invoice has no customer"
    assert tried == {n: 3 if n % 20 == 0 else 1 for n in range(60)}

    assert await producer.redrive_jobs([id_of(dead[0])]) == [ids[13]]
    async with PgQueuerConsumer(config, robot_id="robot-3") as third:
        running = [asyncio.create_task(third.run(handler))]
        await eventually(lambda: _completed(producer, 60))
        await third.stop()
        await running[0]
    for n, job_id in enumerate(ids):
        job = await producer.get_job(job_id)
        assert (job.status, job.result, job.payload) == (JobStatus.COMPLETED, {"total": n * 2}, {"invoice": n})
    assert await producer.get_queue_depth() == 0


async def _completed(producer: PgQueuerProducer, count: int) -> bool:
    return len(await producer.list_jobs(JobFilter(status=JobStatus.COMPLETED), limit=1000)) == count
