"""`migrate`: makes and updates the schema, again and again, by many at once, with as few rights as can be."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import TYPE_CHECKING

import asyncpg
import pytest

from casare_rpa.infrastructure.postgres import migrator
from casare_rpa.infrastructure.queue import (
    ConfigError,
    JobFilter,
    JobModel,
    JobPriority,
    JobStatus,
    MigrationFailed,
    NotPermitted,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    SchemaMissing,
    SchemaTooNew,
    migrate,
)
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION
from tests.conftest import execute, with_database
from tests.infrastructure.helpers import claim, contents, jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.embedded import EmbeddedPostgres

_numbers = itertools.count(1)


@pytest.fixture
async def administrator(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The server's owner in a database without the schema."""
    opened = await asyncpg.connect(empty_database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def second_database_url(server: EmbeddedPostgres) -> AsyncIterator[str]:
    name = f"second_{next(_numbers)}"
    await execute(server.url, f"CREATE DATABASE {name}")
    yield with_database(server.url, name)
    await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def new_schema() -> str:
    """Return a name whose roles no other test has made: roles belong to the whole server."""
    return f"queue_{next(_numbers)}"


def as_login(url: str, login: str) -> str:
    return f"postgresql://{login}:secret@{url.rsplit('@', 1)[1]}"


async def new_login(administrator: asyncpg.Connection, rights: str) -> str:
    """Make a login with these rights and return its name."""
    login = f"login_{next(_numbers)}"
    await administrator.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret' NOSUPERUSER {rights}")
    return login


async def works(config: QueueConfig) -> bool:
    """Let a job go through the queue."""
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="r") as consumer:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await consumer.complete_job(await claim(consumer))
        return await producer.get_job_status(job_id) is JobStatus.COMPLETED


async def test_migrating_an_empty_database_makes_the_whole_of_it(empty_database_url: str) -> None:
    config = QueueConfig(database_url=empty_database_url)
    assert await migrate(config) == PROGRAM_VERSION
    assert await works(config)


async def test_migrating_twice_changes_nothing_and_keeps_the_jobs(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(*range(5)))
    before = await contents(connection)
    applied = await connection.fetch("SELECT * FROM pgqueuer.migrations")
    assert await migrate(config) == PROGRAM_VERSION
    assert await migrate(config) == PROGRAM_VERSION
    assert await contents(connection) == before
    assert await connection.fetch("SELECT * FROM pgqueuer.migrations") == applied


async def test_a_migration_while_a_robot_works_harms_no_job(config: QueueConfig, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch(jobs(*range(60)))

    async def handler(_: JobModel) -> None:
        await asyncio.sleep(0.001)

    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await migrate(config)

        async def all_completed() -> bool:
            return len(await producer.list_jobs(JobFilter(status=JobStatus.COMPLETED), limit=100)) == 60

        await eventually(all_completed)
        await consumer.stop()
        await running


async def test_two_at_once_on_one_database_both_succeed(empty_database_url: str) -> None:
    config = QueueConfig(database_url=empty_database_url)
    assert await asyncio.gather(*(migrate(config) for _ in range(3))) == [PROGRAM_VERSION] * 3
    assert await works(config)


async def test_two_at_once_on_two_databases_both_succeed_and_share_the_roles(
    empty_database_url: str, second_database_url: str
) -> None:
    schema = new_schema()
    configs = [QueueConfig(database_url=url, schema_name=schema) for url in (empty_database_url, second_database_url)]
    assert await asyncio.gather(*map(migrate, configs)) == [PROGRAM_VERSION] * 2
    for config in configs:
        assert await works(config)


async def test_a_schema_of_another_name_works_from_end_to_end(
    empty_database_url: str, administrator: asyncpg.Connection
) -> None:
    schema = new_schema()
    config = QueueConfig(database_url=empty_database_url, schema_name=schema, connection_pool_size=2)
    await migrate(config)
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="r") as consumer:
        ids = await producer.enqueue_batch([*jobs(0, 1, 2), *jobs(3, priority=JobPriority.CRITICAL, reference="x")])
        done: list[int] = []

        async def handler(job: JobModel) -> None:
            done.append(job.payload["n"])

        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: len(done) == 4)
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        assert (await producer.health_check()).ok
        assert await producer.cancel_job(ids[0]) is False
        await consumer.stop()
        await running
    assert done[0] == 3
    assert await administrator.fetchval(f"SELECT count(*) FROM {schema}.job_history") == 4
    assert await administrator.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgqueuer'") == 0


async def test_two_schemas_in_one_database_know_nothing_of_each_other(
    config: QueueConfig, producer: PgQueuerProducer
) -> None:
    other = config.model_copy(update={"schema_name": new_schema()})
    await migrate(other)
    await producer.enqueue_job(JobModel(workflow="w", reference="r"))
    async with PgQueuerProducer(other) as others, PgQueuerConsumer(other, robot_id="r") as consumer:
        assert await consumer.claim_job() is None
        await others.enqueue_job(JobModel(workflow="w", reference="r"))
        assert await others.get_queue_depth() == 1
    assert await producer.get_queue_depth() == 1


async def test_a_login_with_createrole_and_create_can_migrate_and_is_no_superuser(
    empty_database_url: str, administrator: asyncpg.Connection
) -> None:
    login = await new_login(administrator, "CREATEROLE")
    database = await administrator.fetchval("SELECT current_database()")
    await administrator.execute(f"GRANT CREATE ON DATABASE {database} TO {login}")
    schema = new_schema()
    config = QueueConfig(database_url=as_login(empty_database_url, login), schema_name=schema)
    assert await migrate(config) == PROGRAM_VERSION
    assert await migrate(config) == PROGRAM_VERSION
    assert await works(config)
    owner = await administrator.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", f"{schema}_owner")
    assert (owner["rolcanlogin"], owner["rolsuper"], owner["rolbypassrls"]) == (False, False, False)


async def test_without_createrole_the_sql_to_run_is_in_the_error_and_running_it_helps(
    empty_database_url: str, administrator: asyncpg.Connection
) -> None:
    login = await new_login(administrator, "NOCREATEROLE")
    schema = new_schema()
    config = QueueConfig(database_url=as_login(empty_database_url, login), schema_name=schema)

    with pytest.raises(NotPermitted, match="this login may not create the queue's roles") as caught:
        await migrate(config)
    assert f'CREATE ROLE "{schema}_owner" NOLOGIN;' in str(caught.value)
    await run_as_told(administrator, str(caught.value), login)

    with pytest.raises(NotPermitted, match="this login may not create a schema") as caught:
        await migrate(config)
    assert f'CREATE SCHEMA "{schema}" AUTHORIZATION "{schema}_owner";' in str(caught.value)
    await run_as_told(administrator, str(caught.value), login)

    assert await migrate(config) == PROGRAM_VERSION
    assert await works(config)


async def run_as_told(administrator: asyncpg.Connection, said: str, login: str) -> None:
    """Run the statements of an error's text, as an administrator would."""
    statements = re.findall(r"^\s+((?:CREATE|GRANT) .*;)$", said, re.MULTILINE)
    assert statements
    for statement in statements:
        await administrator.execute(statement.replace("the_login_that_migrates", login))


async def test_roles_of_which_only_the_membership_is_missing_are_told_too(
    empty_database_url: str, administrator: asyncpg.Connection
) -> None:
    login = await new_login(administrator, "NOCREATEROLE")
    config = QueueConfig(database_url=as_login(empty_database_url, login))
    with pytest.raises(NotPermitted, match='GRANT "pgqueuer_owner" TO the_login_that_migrates;'):
        await migrate(config)


async def test_a_schema_of_that_name_that_is_not_ours_is_left_alone(
    empty_database_url: str, administrator: asyncpg.Connection
) -> None:
    schema = new_schema()
    await administrator.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.jobs (mine text)")
    config = QueueConfig(database_url=empty_database_url, schema_name=schema)
    with pytest.raises(ConfigError, match=f'the schema "{schema}" exists and belongs to .*PGQUEUER_SCHEMA'):
        await migrate(config)
    tables = await administrator.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
    assert [row["tablename"] for row in tables] == ["jobs"]
    functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = $1::regnamespace"
    assert await administrator.fetchval(functions, schema) == 0


async def test_an_unmigrated_database_says_what_to_run(empty_database_url: str) -> None:
    config = QueueConfig(database_url=empty_database_url)
    for opening in (PgQueuerProducer(config), PgQueuerConsumer(config, robot_id="r")):
        with pytest.raises(SchemaMissing, match="run `casare migrate`"):
            await opening.__aenter__()


async def test_a_schema_older_than_the_program_says_what_to_run(
    config: QueueConfig, connection: asyncpg.Connection
) -> None:
    await connection.execute("DELETE FROM pgqueuer.migrations")
    with pytest.raises(SchemaMissing, match="run `casare migrate`"):
        await PgQueuerProducer(config).__aenter__()


async def test_a_newer_schema_that_still_serves_this_program_is_used(
    config: QueueConfig, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO pgqueuer.migrations (version, name, oldest_program) VALUES ($1, 'next', $2)",
        PROGRAM_VERSION + 1,
        PROGRAM_VERSION,
    )
    assert await works(config)


async def test_a_newer_schema_that_no_longer_serves_this_program_is_refused(
    config: QueueConfig, connection: asyncpg.Connection
) -> None:
    newer = PROGRAM_VERSION + 1
    await connection.execute(
        "INSERT INTO pgqueuer.migrations (version, name, oldest_program) VALUES ($1, 'next', $1)", newer
    )
    for opening in (PgQueuerProducer(config), PgQueuerConsumer(config, robot_id="r")):
        with pytest.raises(SchemaTooNew, match=f"the schema has version {newer}.*update casare-rpa"):
            await opening.__aenter__()


async def test_an_older_program_does_not_migrate_a_newer_schema(
    config: QueueConfig, connection: asyncpg.Connection
) -> None:
    newer = PROGRAM_VERSION + 1
    await connection.execute(
        "INSERT INTO pgqueuer.migrations (version, name, oldest_program) VALUES ($1, 'next', 1)", newer
    )
    await connection.execute("COMMENT ON FUNCTION pgqueuer.clock() IS 'of the next version'")
    with pytest.raises(SchemaTooNew, match=f"the schema has version {newer}, this program knows {PROGRAM_VERSION}"):
        await migrate(config)
    comment = "SELECT obj_description('pgqueuer.clock()'::regprocedure)"
    assert await connection.fetchval(comment) == "of the next version"


async def test_a_migration_that_cannot_be_finished_leaves_nothing_behind(
    empty_database_url: str, administrator: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: migrator.Blueprint) -> list[tuple[str, str]]:
        return [("98_broken.sql", "SELECT no_such_function()")]

    monkeypatch.setattr(migrator.Blueprint, "function_files", broken)
    schema = new_schema()
    with pytest.raises(MigrationFailed, match=r"98_broken\.sql: .*no_such_function"):
        await migrate(QueueConfig(database_url=empty_database_url, schema_name=schema))
    assert await administrator.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema) == 0
    monkeypatch.undo()
    assert await migrate(QueueConfig(database_url=empty_database_url, schema_name=schema)) == PROGRAM_VERSION
