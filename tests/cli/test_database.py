"""`casare migrate`, and a database that cannot be used: exit code 3, or 4 when it is the login that may not."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION
from tests.conftest import execute, with_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from casare_rpa.embedded import EmbeddedPostgres
    from tests.cli.conftest import Casare

ID = "0190b1a2-0000-7000-8000-000000000000"


async def test_migrate_once_and_again(casare: Casare, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", empty_database_url)
    for _ in range(2):
        assert (await casare("migrate")).done() == f"the schema pgqueuer has version {PROGRAM_VERSION}\n"
    assert json.loads((await casare("jobs", "list", "--json")).done()) == []


@pytest.mark.parametrize(
    "command",
    [
        ["queue", "depth"],
        ["queue", "list"],
        ["queue", "show"],
        ["queue", "pause"],
        ["queue", "purge", "q", "--yes"],
        ["jobs", "list"],
        ["jobs", "count"],
        ["jobs", "show", ID],
        ["jobs", "submit", "w"],
        ["jobs", "cancel", ID],
        ["jobs", "cancel", "--queue", "q", "--dry-run"],
        ["jobs", "retry", ID],
        ["jobs", "priority", "5", ID],
        ["jobs", "comment", ID, "c"],
        ["jobs", "wait", ID],
        ["jobs", "follow", ID],
        ["dlq", "list"],
        ["dlq", "groups"],
        ["dlq", "show", ID],
        ["dlq", "edit", ID, "--payload", "{}"],
        ["dlq", "redrive", ID],
        ["dlq", "redrive", "--all"],
        ["dlq", "resolve", ID, "--comment", "c"],
        ["dlq", "assign", ID, "--nobody"],
        ["dlq", "purge", ID, "--yes"],
    ],
)
async def test_unmigrated(
    casare: Casare, empty_database_url: str, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", empty_database_url)
    assert (await casare(*command)).complaint(3).endswith("run `casare migrate`")


@pytest.mark.parametrize("command", [["migrate"], ["jobs", "list"], ["jobs", "submit", "w"]])
async def test_unreachable(casare: Casare, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nobody listens there
        port = bound.getsockname()[1]
        monkeypatch.setenv("PGQUEUER_DATABASE_URL", f"postgresql://robot:s3cret@127.0.0.1:{port}/db")
        complaint = (await casare(*command)).complaint(3)
    assert complaint.startswith(f"no PostgreSQL answers at 127.0.0.1:{port}")
    assert "s3cret" not in complaint


async def test_wrong_password_and_missing_database(
    casare: Casare, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", with_database(server.url, "no_such_database"))
    assert 'database "no_such_database" does not exist' in (await casare("jobs", "list")).complaint(3)
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", f"postgresql://casare:wr0ng@127.0.0.1:{server.port}/postgres")
    complaint = (await casare("jobs", "list")).complaint(3)
    assert "password authentication failed" in complaint
    assert "wr0ng" not in complaint


async def test_read_only(casare: Casare, database: str, connection: asyncpg.Connection) -> None:
    name = database.rsplit("/", 1)[1]
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert (await casare("jobs", "submit", "w")).complaint(3).startswith("the database takes no writes")
    assert (await casare("migrate")).complaint(3).startswith("the database takes no writes")
    assert (await casare("jobs", "list", "--json")).json() == []


async def test_schema_of_a_newer_program(casare: Casare, database: str, connection: asyncpg.Connection) -> None:
    await connection.execute("INSERT INTO pgqueuer.migrations (version, name, oldest_program) VALUES (99, 'x', 99)")
    assert (await casare("jobs", "list")).complaint(3).endswith("update casare-rpa")
    assert (await casare("migrate")).complaint(3).endswith("update casare-rpa before migrating")


@pytest.fixture
async def stranger(server: EmbeddedPostgres, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The environment's login may connect, and nothing else so far."""
    name = f"stranger_{database_url.rsplit('_', 1)[1]}"
    await execute(database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    database = database_url.rsplit("/", 1)[1]
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", f"postgresql://{name}:pw@127.0.0.1:{server.port}/{database}")
    yield name
    await execute(database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


async def test_not_permitted(casare: Casare, stranger: str, connection: asyncpg.Connection) -> None:
    assert "permission denied" in (await casare("jobs", "list")).complaint(4)
    await connection.execute(f"GRANT pgqueuer_viewer TO {stranger}")
    assert f"SELECT pgqueuer.register_login('{stranger}')" in (await casare("jobs", "list")).complaint(4)
    await connection.execute(f"SELECT pgqueuer.register_login('{stranger}')")
    assert (await casare("jobs", "list", "--json")).json() == []
    robot = (await casare("work", "tests.cli.robots:asynchronous")).complaint(4)
    assert (
        robot == 'permission denied for function claim_jobs: GRANT "pgqueuer_robot" TO this login, or use another one'
    )
    assert "permission denied" in (await casare("jobs", "submit", "w")).complaint(4)
    assert "permission denied" in (await casare("jobs", "cancel", ID)).complaint(4)


async def test_a_refused_migration_prints_the_sql_to_run(casare: Casare, stranger: str) -> None:
    outcome = await casare("migrate")
    assert (outcome.code, outcome.out) == (4, "")
    assert '\n  GRANT "pgqueuer_owner" TO the_login_that_migrates;\n' in outcome.err


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PGQUEUER_MAX_CONCURRENT", "lots", "PGQUEUER_MAX_CONCURRENT='lots': input should be a valid integer"),
        ("PGQUEUER_POLL_INTERVAL", "nan", "PGQUEUER_POLL_INTERVAL='nan': "),
        ("PGQUEUER_ENABLE_DLQ", "perhaps", "PGQUEUER_ENABLE_DLQ='perhaps': input should be a valid boolean"),
        ("PGQUEUER_SCHEMA", 'a"b', "PGQUEUER_SCHEMA='a\"b': string should match pattern"),
        ("PGQUEUER_QUEUE_NAME", "\x1b[31m" + "x" * 200, "PGQUEUER_QUEUE_NAME='\\x1b[31mxxx"),
        ("PGQUEUER_DATABASE_URL", "foo", 'PGQUEUER_DATABASE_URL: the database URL must begin with "postgresql://"'),
        ("PGQUEUER_DATABASE_URL", "mysql://u:s3cret@h/d", "PGQUEUER_DATABASE_URL: the database URL must begin with"),
        (
            "PGQUEUER_DATABASE_URL",
            "postgresql://u:s3cret@h:port/d",
            "PGQUEUER_DATABASE_URL: the database URL cannot be read",
        ),
        ("PGQUEUER_DATABASE_URL", " ", "no database: set PGQUEUER_DATABASE_URL"),
    ],
)
async def test_nonsense_in_the_environment(
    casare: Casare, database: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    for command in (["migrate"], ["jobs", "list"], ["work", "json:dumps"]):
        shown = (await casare(*command)).complaint(2)
        assert complaint in shown
        assert '""' not in shown
        assert "s3cret" not in shown
