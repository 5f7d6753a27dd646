"""The roles of a Supabase project, imitated: its `postgres` is no superuser, and can make roles and databases."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    NotPermitted,
    PgQueuerConsumer,
    PgQueuerProducer,
    migrate,
)
from tests.poolers.pgbouncer import PROGRAM, PgBouncer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from casare_rpa.infrastructure.queue import QueueConfig

PASSWORD = "p@ss/w:rd"
_numbers = itertools.count(1)


def as_login(url: str, login: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rsplit("@", 1)[1]
    return urlunsplit(parts._replace(netloc=f"{login}:{quote(PASSWORD, safe='')}@{address}"))


@pytest.fixture
async def project(empty_database_url: str, config: QueueConfig) -> AsyncIterator[QueueConfig]:
    """A new project's settings: the login that Supabase gives, a database of an administrator's, no role of ours yet."""
    name = f"supa_{os.getpid()}_{next(_numbers)}"
    login = f"{name}_postgres"
    administrator = await connect(empty_database_url, "administrator")
    database = empty_database_url.rsplit("/", 1)[1]
    await administrator.execute(
        f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS"
    )
    await administrator.execute(f"GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {login}")
    url = as_login(empty_database_url, login)
    yield config.model_copy(update={"database_url": url, "direct_url": url, "schema_name": name})
    await administrator.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    for role in await made_by(administrator, name):
        await administrator.execute(f'DROP OWNED BY "{role}"')
        await administrator.execute(f'DROP ROLE "{role}"')
    await administrator.close()


async def made_by(connection: asyncpg.Connection, name: str) -> list[str]:
    """Return the roles whose names begin so, those that were given rights before those that gave them."""
    rows = await connection.fetch("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1) ORDER BY oid DESC", name)
    return [row["rolname"] for row in rows]


async def make_login(project: QueueConfig, role: str) -> str:
    """Make and register a login as a project's owner does, in the SQL editor."""
    login = f"{project.schema_name}_{role}_login"
    connection = await connect(project.require_url(), "owner")
    await connection.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
    await connection.execute(f"GRANT {project.schema_name}_{role} TO {login}")
    await connection.execute(f"SELECT {project.schema_name}.register_login('{login}')")
    await connection.close()
    return login


async def test_migrating_needs_no_more_than_supabase_gives(project):
    version = await migrate(project)
    assert await migrate(project) == version, "again, as at every upgrade"
    connection = await connect(project.require_url(), "owner")
    owner = await connection.fetchrow(
        "SELECT rolsuper, rolcanlogin, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = $1",
        f"{project.schema_name}_owner",
    )
    assert set(owner.values()) == {False}
    owners = await connection.fetch(
        "SELECT DISTINCT proowner::regrole::text, prosecdef FROM pg_proc WHERE pronamespace = $1::regnamespace",
        project.schema_name,
    )
    assert {row[0] for row in owners} == {f"{project.schema_name}_owner"}
    await connection.close()


async def test_the_projects_login_enqueues_and_works(project):
    await migrate(project)
    async with PgQueuerProducer(project) as producer, PgQueuerConsumer(project, "robot") as robot:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        [job] = await robot.claim_jobs(1)
        await robot.complete_job(job)
        assert await producer.get_job_status(job_id) is JobStatus.COMPLETED
        await producer.enqueue_job(JobModel(workflow="w"))
        assert await producer.purge_queue() == 1


@pytest.mark.parametrize("way", ["direct", "transaction pooler"])
async def test_logins_of_a_project_have_their_rights_and_no_more(project, server, way):
    await migrate(project)
    logins = {role: await make_login(project, role) for role in ("producer", "robot")}
    if way == "direct":
        await use(project, {role: as_login(project.require_url(), login) for role, login in logins.items()})
        return
    if PROGRAM is None:
        pytest.skip("pgbouncer is not installed")
    database = project.require_url().rsplit("/", 1)[1]
    with PgBouncer(server.url, dict.fromkeys(logins.values(), PASSWORD)) as pooler:
        await use(project, {role: pooler.url(database, login) for role, login in logins.items()})


async def use(project: QueueConfig, urls: dict[str, str]) -> None:
    """Enqueue and work with a login each, and try what they may not."""
    of_producer, of_robot = (
        project.model_copy(update={"database_url": urls[role], "direct_url": None}) for role in ("producer", "robot")
    )
    async with PgQueuerProducer(of_producer) as producer, PgQueuerConsumer(of_robot, "robot") as robot:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        [job] = await robot.claim_jobs(1)
        await robot.complete_job(job)
        assert await producer.get_job_status(job_id) is JobStatus.COMPLETED
        with pytest.raises(NotPermitted):
            await producer.purge_queue()
    async with PgQueuerProducer(of_robot) as robber:
        with pytest.raises(NotPermitted):
            await robber.enqueue_job(JobModel(workflow="w"))
    connection = await connect(of_robot.require_url(), "robot")
    for forbidden in (
        "SELECT * FROM {}.jobs",
        "CREATE TABLE {}.mine ()",
        "SET ROLE {}_owner",
        "DROP FUNCTION {}.clock()",
    ):
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            await connection.execute(forbidden.format(project.schema_name))
    await connection.close()
