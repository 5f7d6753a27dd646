"""What the doctor says of the schema, its roles and rights, and that its advice mends what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import QueueConfig, migrate
from casare_rpa.infrastructure.queue.doctor import Limits, examine
from casare_rpa.infrastructure.queue.doctor.checks.grants import RIGHTS
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION
from tests.cli.doctor.conftest import found_by

if TYPE_CHECKING:
    import asyncpg

    from tests.cli.doctor.conftest import Look
    from tests.rights.logins import Logins


async def test_no_schema(empty_database_url: str, database_url: str) -> None:
    findings = await examine(QueueConfig(database_url=empty_database_url))
    schema = found_by(findings, "schema")
    assert (schema.state, schema.advice) == ("problem", "casare migrate")
    assert "bloat" not in {finding.check for finding in findings}


async def test_a_schema_of_somebody_elses(connection: asyncpg.Connection, config: QueueConfig, look: Look) -> None:
    await connection.execute("CREATE SCHEMA other")
    finding = await look("schema", None, config.model_copy(update={"schema_name": "other"}))
    assert (finding.state, "is not the queue's" in finding.found) == ("problem", True)


async def test_versions(connection: asyncpg.Connection, config: QueueConfig, look: Look) -> None:
    newer = "INSERT INTO pgqueuer.migrations (version, name, oldest_program) VALUES (99, 'x', $1)"
    await connection.execute(newer, 1)
    assert (await look("schema")).state == "note"
    await connection.execute("DELETE FROM pgqueuer.migrations WHERE version = 99")
    await connection.execute(newer, 99)
    too_new = await look("schema")
    assert (too_new.state, too_new.advice) == ("problem", "update casare-rpa")
    await connection.execute("DELETE FROM pgqueuer.migrations WHERE version >= $1", PROGRAM_VERSION)
    too_old = await look("schema")
    assert (too_old.state, too_old.advice) == ("problem", "casare migrate")


async def test_the_owner_of_the_schema(connection: asyncpg.Connection, look: Look) -> None:
    await connection.execute("ALTER SCHEMA pgqueuer OWNER TO CURRENT_USER")
    finding = await look("schema")
    assert finding.state == "problem"
    assert finding.advice is not None
    await connection.execute(finding.advice)
    assert (await look("schema")).state != "problem"


async def test_roles(connection: asyncpg.Connection, look: Look) -> None:
    assert (await look("roles")).state == "ok"
    await connection.execute("ALTER ROLE pgqueuer_viewer CREATEDB LOGIN")
    try:
        finding = await look("roles")
        assert (finding.state, finding.facts) == (
            "problem",
            {"role": "pgqueuer_viewer", "powers": ["LOGIN", "CREATEDB"]},
        )
        assert finding.advice is not None
        await connection.execute(finding.advice)
        assert (await look("roles")).state == "ok"
    finally:
        await connection.execute("ALTER ROLE pgqueuer_viewer NOCREATEDB NOLOGIN")
    await connection.execute("ALTER ROLE pgqueuer_publisher RENAME TO pgqueuer_gone")
    try:
        missing = await look("roles")
    finally:
        await connection.execute("ALTER ROLE pgqueuer_gone RENAME TO pgqueuer_publisher")
    assert (missing.state, missing.facts) == ("problem", {"missing": ["pgqueuer_publisher"]})


def test_the_rights_are_read_from_the_migration() -> None:
    assert RIGHTS["schema_info"] >= {"producer", "robot", "viewer"}
    assert RIGHTS["claim_jobs"] == {"robot"}
    assert len(RIGHTS) > 15


@pytest.mark.parametrize(
    ("broken", "fact"),
    [
        ("REVOKE EXECUTE ON FUNCTION pgqueuer.schema_info FROM pgqueuer_robot", "revoked"),
        ("REVOKE USAGE ON SCHEMA pgqueuer FROM pgqueuer_viewer", "revoked"),
        ("GRANT EXECUTE ON FUNCTION pgqueuer.queue_depth TO PUBLIC", "public"),
        ("GRANT EXECUTE ON FUNCTION pgqueuer.purge_queue TO pgqueuer_producer", "beyond"),
        ("GRANT SELECT ON pgqueuer.jobs TO PUBLIC", "tables"),
        ("GRANT SELECT ON pgqueuer.settings TO pgqueuer_viewer", "tables"),
        ("GRANT CREATE ON SCHEMA pgqueuer TO PUBLIC", "creators"),
        ("ALTER FUNCTION pgqueuer.queue_depth OWNER TO CURRENT_USER", "owners"),
    ],
)
async def test_grants(connection: asyncpg.Connection, look: Look, broken: str, fact: str) -> None:
    await connection.execute(broken)
    finding = await look("grants")
    assert finding.state == ("warning" if fact == "beyond" or "settings" in broken else "problem")
    assert fact in finding.facts
    assert finding.advice is not None
    sql = finding.advice.removeprefix("if you did not mean it: ")
    await connection.execute(sql.split("(or ", 1)[1].split(";")[0] if sql.startswith("casare") else sql)
    mended = await look("grants")
    assert mended.state == "ok", mended


async def test_a_function_that_is_gone(connection: asyncpg.Connection, config: QueueConfig, look: Look) -> None:
    await connection.execute("DROP FUNCTION pgqueuer.queue_depth")
    finding = await look("grants")
    assert (finding.state, finding.advice, finding.facts) == ("problem", "casare migrate", {"missing": ["queue_depth"]})
    await migrate(config)
    assert (await look("grants")).state == "ok"


@pytest.mark.parametrize(
    ("role", "what", "says"),
    [
        (None, {}, "is in none of the queue's roles"),
        ("viewer", {"registered": False}, "is not registered with this queue"),
        ("robot", {"registered": False}, "is not registered with this queue"),
        ("producer", {"queues": ["elsewhere"]}, 'may not use the queue "casare_rpa_jobs"'),
    ],
)
async def test_logins_that_may_not(connection: asyncpg.Connection, logins: Logins, role, what, says: str) -> None:
    login = await logins.make(role, **what)
    finding = found_by(await examine(login.config), "login")
    assert (finding.state, says in finding.found) == ("problem", True)
    assert finding.advice is not None
    if role:
        sql = finding.advice.removeprefix("set PGQUEUER_QUEUE_NAME, or: ")
        await connection.execute(sql)
        assert found_by(await examine(login.config), "login").state == "ok"


@pytest.mark.parametrize("role", ["producer", "robot", "viewer"])
async def test_a_login_with_few_rights_says_what_it_cannot_see(logins: Logins, role: str) -> None:
    login = await logins.make(role)
    findings = await examine(login.config)
    assert found_by(findings, "login").found == f"{login.name} is registered, and is {role}"
    unseen = {finding.check for finding in findings if finding.found == "not visible to this login"}
    assert unseen == {"retention", "upkeep", "queues", "dead letters"}
    assert {finding.check for finding in findings if finding.state in {"warning", "problem"}} == {"durability"}


async def test_a_publisher_and_a_stranger_are_told_so(logins: Logins) -> None:
    publisher = await logins.make("publisher", registered=False)
    assert found_by(await examine(publisher.config), "schema").state in {"note", "ok"}
    stranger = await logins.make(None, registered=False)
    assert found_by(await examine(stranger.config), "schema").state == "note"


async def test_an_administrator_and_a_password_that_ends(connection: asyncpg.Connection, logins: Logins) -> None:
    login = await logins.make("owner")
    assert "is an administrator" in found_by(await examine(login.config), "login").found
    await connection.execute(
        f"ALTER ROLE {login.name} VALID UNTIL '{await connection.fetchval('SELECT now() + interval $$1 day$$')}'"
    )
    finding = found_by(await examine(login.config), "login")
    assert (finding.state, "the password" in finding.found) == ("warning", True)
    assert finding.advice is not None
    await connection.execute(finding.advice)
    assert found_by(await examine(login.config), "login").state == "ok"


async def test_partitions(connection: asyncpg.Connection, look: Look) -> None:
    fine = await look("partitions")
    assert fine.facts["ahead_seconds"] > 21 * 86400
    attached = (
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'pgqueuer.job_history'::regclass"
    )
    weeks = sorted(row["name"] for row in await connection.fetch(attached))
    await connection.execute(f"DROP TABLE {weeks[2]}")  # next week's
    gap = await look("partitions")
    assert gap.state == "warning"
    assert gap.facts["ahead_seconds"] < 8 * 86400
    await connection.execute(f"DROP TABLE {weeks[1]}")
    gone = await look("partitions")
    assert (gone.state, gone.facts["ahead_seconds"]) == ("problem", 0)
    assert gone.advice is not None
    await connection.execute(gone.advice.split(";")[0])
    assert (await look("partitions")).state == "ok"


async def test_history_that_should_be_gone(connection: asyncpg.Connection, look: Look) -> None:
    assert (await look("retention")).state == "ok"
    await connection.execute(
        "SET ROLE pgqueuer_owner; CREATE TABLE pgqueuer.job_history_2020w02 PARTITION OF pgqueuer.job_history "
        "FOR VALUES FROM ('2020-01-06 00:00Z') TO ('2020-01-13 00:00Z'); RESET ROLE"
    )
    finding = await look("retention")
    assert (finding.state, finding.facts) == ("warning", {"late": ["job_history_2020w02"]})
    assert finding.advice is not None
    await connection.execute(finding.advice.split("then ")[1].split(";")[0])
    assert (await look("retention")).state == "ok"


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        ("ALTER TABLE pgqueuer.jobs SET (autovacuum_enabled = off)", "problem"),
        ("ALTER TABLE pgqueuer.jobs RESET (autovacuum_vacuum_threshold, fillfactor)", "warning"),
    ],
)
async def test_autovacuum_of_the_tables(connection: asyncpg.Connection, look: Look, broken: str, state: str) -> None:
    assert (await look("autovacuum")).state == "ok"
    await connection.execute(broken)
    finding = await look("autovacuum")
    assert finding.state == state
    assert finding.advice is not None
    await connection.execute(finding.advice)
    assert (await look("autovacuum")).state == "ok"


async def test_limits_are_numbers_that_a_caller_may_set(look: Look) -> None:
    assert (await look("partitions", Limits(partitions_ahead=365 * 86400.0))).state == "warning"
