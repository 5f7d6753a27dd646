"""A login that shadows our names or bends its session's settings gains nothing and breaks nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg

SHADOWS = [
    "CREATE TEMP TABLE logins (login name, tenant_id text, queues text[])",
    "INSERT INTO logins VALUES (session_user, NULL, NULL)",
    "CREATE TEMP TABLE jobs (id uuid, seq bigint, route_id bigint, status text, deferred boolean, lease_token uuid)",
    "CREATE TEMP TABLE routes (route_id bigint, queue_name text, tenant_id text, requirements jsonb, priority smallint)",
    "CREATE TEMP TABLE settings (payload_limit integer, result_limit integer)",
    "CREATE TEMP TABLE upkeep_state (passed_at timestamptz, partitioned_at timestamptz)",
    "CREATE TEMP TABLE job_history (id uuid, finished_at timestamptz)",
    "CREATE TEMP VIEW all_jobs AS SELECT 1 AS id",
    "CREATE FUNCTION pg_temp.clock() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz 'infinity' $$",
    "CREATE FUNCTION pg_temp.caller_scope(OUT t text, OUT q text[]) LANGUAGE sql AS $$ SELECT NULL::text, NULL::text[] $$",
    "CREATE FUNCTION pg_temp.caller_tenant(text) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$",
    "CREATE FUNCTION pg_temp.always(uuid, uuid) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$",
    "CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.always)",
    "CREATE FUNCTION pg_temp.uuid_send(uuid) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
    "SET search_path = pg_temp, public, pgqueuer",
]
CLAIM = "SELECT * FROM pgqueuer.claim_jobs($1, 10, 'r', $2, 1, '{}', 30, true)"
BENT = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Kolkata",  # which that style writes as IST, which is read as Israel's time
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "enable_indexscan": "off",
    "from_collapse_limit": "1",
    "client_min_messages": "error",
}


@pytest.fixture
async def jobs(producer):
    """A job of each tenant, the other one's first."""
    theirs, mine = (
        JobModel(workflow="w", queue_name="q", tenant_id=t, priority=p) for t, p in [("globex", 9), ("acme", 5)]
    )
    return await producer.enqueue_batch([theirs, mine])


async def test_names_like_ours_in_the_temporary_schema(logins, producer, jobs):
    theirs, mine = jobs
    robot = await (await logins.make("robot", tenant="acme")).connect()
    for statement in SHADOWS:
        await robot.execute(statement)

    [held] = [row for row in await robot.fetch(CLAIM, "q", uuid4()) if row["id"]]
    assert held["id"] == mine
    lost = await robot.fetch("SELECT * FROM pgqueuer.settle_jobs($1, $2, '{completed}')", [theirs], [uuid4()])
    assert [row["status"] for row in lost] == [None]
    await robot.fetch("SELECT pgqueuer.upkeep(true)")
    await robot.fetch("SELECT * FROM pgqueuer.settle_jobs($1, $2, '{completed}')", [mine], [held["lease_token"]])

    assert await producer.get_job_status(mine) is JobStatus.COMPLETED
    assert await producer.get_job_status(theirs) is JobStatus.PENDING
    assert await robot.fetchval("SELECT count(*) FROM pg_temp.jobs") == 0
    assert await robot.fetchval("SELECT count(*) FROM pg_temp.job_history") == 0


async def test_names_like_ours_do_not_lift_a_viewers_bounds(logins, jobs):
    theirs, mine = jobs
    viewer = await (await logins.make("viewer", tenant="acme")).connect()
    for statement in SHADOWS:
        await viewer.execute(statement)

    assert [row["id"] for row in await viewer.fetch("SELECT * FROM pgqueuer.list_jobs()")] == [mine]
    assert await viewer.fetch("SELECT * FROM pgqueuer.find_job($1)", theirs) == []


async def test_the_tenant_is_the_logins_whatever_role_it_sets(logins, jobs):
    """Membership in two roles, SET ROLE and a setting named like a tenant change nothing: session_user decides."""
    _, mine = jobs
    session = await (await logins.make("viewer", tenant="acme")).connect()

    await session.execute("SET ROLE pgqueuer_viewer")
    await session.execute("SET casare.tenant = 'globex'")

    assert [row["id"] for row in await session.fetch("SELECT * FROM pgqueuer.list_jobs()")] == [mine]


async def bend(session: asyncpg.Connection) -> None:
    for name, value in BENT.items():
        await session.execute(f"SELECT set_config('{name}', '{value}', false)")


async def test_partitions_are_the_same_whoever_makes_them(connection, logins):
    """Weeks must neither overlap nor leave a gap, or settlements fail there."""
    bounds = (
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c"
        " WHERE c.relispartition AND c.relkind = 'r' AND c.relnamespace = 'pgqueuer'::regnamespace ORDER BY 1"
    )
    ordinary = await connection.fetch(bounds)
    for name, _ in ordinary[1::2]:
        await connection.execute(f'DROP TABLE pgqueuer."{name}"')
    robot = await (await logins.make("robot")).connect()
    await bend(robot)

    await robot.fetch("SELECT pgqueuer.upkeep(true)")

    assert len(ordinary) > 4
    assert await connection.fetch(bounds) == ordinary


async def test_a_job_lives_as_usual_in_sessions_with_odd_settings(logins, connection, producer):
    robot, client = await (await logins.make("robot")).connect(), await (await logins.make("producer")).connect()
    await bend(robot)
    await bend(client)

    job_id = await client.fetchval("SELECT pgqueuer.enqueue_job('w', p_queue => 'q', p_reference => 'R-1')")
    for outcome in ("released", "failed", "completed"):
        [held] = [row for row in await robot.fetch(CLAIM, "q", uuid4()) if row["id"]]
        settle = "SELECT * FROM pgqueuer.settle_jobs($1, $2, $3, NULL, NULL, '{0}')"
        await robot.fetch(settle, [job_id], [held["lease_token"]], [outcome])

    job = await producer.get_job(job_id)
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2)
    assert [a.outcome for a in await producer.get_attempts(job_id)] == ["released", "failed", "completed"]


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
async def test_a_foreign_lock_on_what_robots_wait_with_stops_no_robot(connection, config, logins, producer, kind):
    """Anybody in the database may take any advisory lock: a robot must neither miss its heartbeats nor its jobs for it."""
    await connection.execute("SET search_path = pgqueuer")
    key = await connection.fetchval("SELECT waiting_key($1)", config.queue_name)
    intruder = await (await logins.make("viewer")).connect()
    await intruder.execute(f"SELECT pg_advisory_lock{'_shared' * (kind == 'shared')}({key})")
    ended = asyncio.Event()

    async def handler(job: JobModel) -> None:
        await eventually(partial(lease_was_extended, connection, job), within=5)
        ended.set()

    async with PgQueuerConsumer(config.model_copy(update={"visibility_timeout": 1.0}), "robot-1") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        async with asyncio.timeout(10):
            await ended.wait()
        await eventually(partial(has_status, producer, job_id, JobStatus.COMPLETED))
        assert (await producer.get_job(job_id)).attempt == 1
        await consumer.stop()
        await running


async def lease_was_extended(connection: asyncpg.Connection, job: JobModel) -> bool:
    now = await connection.fetchval("SELECT lease_expires_at FROM pgqueuer.jobs WHERE id = $1", job.id)
    assert job.lease_expires_at is not None
    return bool(now > job.lease_expires_at + timedelta(seconds=1.5))


async def has_status(producer: PgQueuerProducer, job_id: UUID, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status


async def test_robots_that_a_tenants_login_invents_are_limited_and_not_counted_for_another(logins, connection):
    """The more robots there are, the fewer a notification wakes."""
    beat = "SELECT (pgqueuer.heartbeat('r', gen_random_uuid(), 'invoices', '{}', '{}', 0, '{}')).fleet"
    inventor = await (await logins.make("robot", tenant="globex")).connect()
    await inventor.execute(f"{beat} FROM generate_series(1, 5)")
    honest = await (await logins.make("robot", tenant="acme")).connect()
    assert await honest.fetchval(beat) == 1
    assert await inventor.fetchval(beat) == 6
    await connection.execute(
        "INSERT INTO pgqueuer.robots (incarnation, robot_id, queue_name, tenant_id, seen_at)"
        " SELECT gen_random_uuid(), 'r', 'other', 'globex', now() FROM generate_series(1, 10000 - 6)"
    )
    assert await inventor.fetchval(beat) == 6
    assert await honest.fetchval(beat) == 2
