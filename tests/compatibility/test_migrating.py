"""A database of version 1, with jobs in every state, is migrated: nothing is lost, and its schema is that of a fresh one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from casare_rpa.infrastructure.queue import (
    JobFilter,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)
from tests.compatibility.catalogue import CATALOGUE

if TYPE_CHECKING:
    import asyncpg

QUEUE = "casare_rpa_jobs"


async def put(connection: asyncpg.Connection, table: str, status: str | None, **columns: object) -> UUID:
    """Put a row into a table as version 1 would have."""
    job_id = uuid4()
    values: dict[str, object] = {
        "id": job_id, "seq": 1, "route_id": -1, "retry_delay": 5.0, "max_retries": 3, "attempt": 1, "crashes": 0, "priority": 5,
        "queue_name": QUEUE, "workflow": "w", "on_crash": "retry", "payload": '{"n": 1}', **columns,
    }  # fmt: skip
    if table != "jobs":
        del values["route_id"]
    if status is not None:
        values["status"] = status
    places = ", ".join(f"${n + 1}" for n in range(len(values)))
    await connection.execute(
        f"INSERT INTO pgqueuer.{table} (created_at, {', '.join(values)}) VALUES (now() - interval '1 hour', {places})",
        *values.values(),
    )
    return job_id


async def test_jobs_dead_letters_and_history_are_kept(old: asyncpg.Connection, config: QueueConfig) -> None:
    now, token = await old.fetchval("SELECT now()"), uuid4()
    await old.execute("INSERT INTO pgqueuer.routes (route_id, queue_name, priority) VALUES (-1, $1, 5)", QUEUE)
    await old.execute("SELECT setval('pgqueuer.job_sequence', 100)")
    waiting = await put(old, "jobs", "PENDING", attempt=0, reference="R-1")
    await old.execute("INSERT INTO pgqueuer.job_references VALUES ('', $1, 'R-1', $2)", QUEUE, waiting)
    lease = {
        "lease_token": token,
        "incarnation": uuid4(),
        "request": 1,
        "claimed_by": "robot-1",
        "lease_seconds": 600.0,
    }
    times = {"claimed_at": now, "started_at": now, "lease_expires_at": now + timedelta(minutes=10)}
    held = await put(old, "jobs", "RUNNING", **lease, **times)
    failure = {"finished_at": now, "enable_dlq": True, "reason": "exhausted", "error": "no invoice 4711"}
    dead = await put(old, "dead_letter_queue", None, **failure)
    await old.execute(
        "INSERT INTO pgqueuer.job_attempts (job_id, queue_name, ended_at, attempt, status, outcome)"
        " VALUES ($1, $2, $3, 1, 'FAILED', 'failed')",
        *(dead, QUEUE, now),
    )
    done = await put(old, "job_history", "COMPLETED", finished_at=now, result='{"sum": 3}', claimed_by="robot-1")

    await migrate(config)

    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="robot-2") as robot:
        assert {job.id: job.status for job in await producer.list_jobs()} == {
            waiting: JobStatus.PENDING,
            held: JobStatus.RUNNING,
            dead: JobStatus.FAILED,
            done: JobStatus.COMPLETED,
        }
        assert (await producer.get_job(done)).result == {"sum": 3}
        assert [(job.id, job.error_shape) for job in await producer.list_dead_letters()] == [(dead, "no invoice <n>")]
        assert [attempt.outcome for attempt in await producer.get_attempts(dead)] == ["failed"]
        assert [job.id for job in await producer.list_jobs(JobFilter(reference="R-1"))] == [waiting]
        claimed = await robot.claim_jobs(5)
        assert [job.id for job in claimed] == [waiting]
        settled = await old.fetch("SELECT * FROM pgqueuer.settle_jobs($1, $2, $3)", [held], [token], ["completed"])
        assert settled == [], "what a robot of version 1 held, it completes"
        assert await producer.redrive_jobs([dead]) == [dead]
        assert (await producer.get_queue()).completed_per_minute == 2


async def test_a_migrated_schema_is_that_of_a_fresh_one(
    old: asyncpg.Connection, config: QueueConfig, connection: asyncpg.Connection
) -> None:
    await migrate(config)

    for part, query in CATALOGUE.items():
        migrated = sorted(str(tuple(row)) for row in await old.fetch(query))
        fresh = sorted(str(tuple(row)) for row in await connection.fetch(query))
        assert migrated, part
        assert migrated == fresh, part


async def test_a_migration_writes_no_table_anew(old: asyncpg.Connection, config: QueueConfig) -> None:
    """That would take long with a million jobs, and hold up all robots meanwhile."""
    tables = """SELECT relname, relfilenode FROM pg_class
                 WHERE relnamespace = 'pgqueuer'::regnamespace AND relkind = 'r' AND relname <> 'migrations'"""
    before = {row["relname"]: row["relfilenode"] for row in await old.fetch(tables)}

    await migrate(config)

    after = {row["relname"]: row["relfilenode"] for row in await old.fetch(tables)}
    assert {name: after[name] for name in before} == before
