"""Tables in the guides say what the code says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from annotated_types import Ge, Le, MaxLen, MinLen
from typer.main import get_command

from casare_rpa import cli
from casare_rpa.cli.app import app
from casare_rpa.embedded.binaries import OLDEST_MAJOR
from casare_rpa.foundation.jsontext import MAX_DEPTH
from casare_rpa.infrastructure.postgres.connection import OLDEST_SERVER
from casare_rpa.infrastructure.queue.config import VARIABLES, QueueConfig
from casare_rpa.infrastructure.queue.consuming.execution import MAX_ERROR_BYTES
from casare_rpa.infrastructure.queue.filters import MAX_FILTER_IDS, MAX_METADATA_BYTES, MAX_METADATA_VALUES
from casare_rpa.infrastructure.queue.models import MAX_BATCH, MAX_COMMENT, MAX_TAGS, JobModel
from casare_rpa.infrastructure.queue.pages import LOOK, MOST_COUNTED
from tests.examples.blocks import ROOT, rows_of

GUIDES = ROOT / "docs" / "guides"


def test_every_variable_is_in_the_table_with_its_field_default_and_limits():
    written = {row[0]: row[1:4] for row in rows_of(GUIDES / "configuration.md", "Variables")}
    assert written == {variable: [field, default_of(field), limits_of(field)] for field, variable in VARIABLES.items()}


def default_of(field: str) -> str:
    match QueueConfig.model_fields[field].default:
        case None:
            return "none"
        case bool(default):
            return str(default).lower()
        case float(default):
            return f"{default:g}"
        case default:
            return str(default)


def limits_of(field: str) -> str:
    if field == "schema_name":
        assert "[a-z_][a-z0-9_]{0,39}" in str(QueueConfig.model_fields[field].metadata)
        return "1 to 40 of a-z, 0-9 and _"
    marks = QueueConfig.model_fields[field].metadata
    least: list[Any] = [
        mark.ge if isinstance(mark, Ge) else mark.min_length for mark in marks if isinstance(mark, Ge | MinLen)
    ]
    most: list[Any] = [
        mark.le if isinstance(mark, Le) else mark.max_length for mark in marks if isinstance(mark, Le | MaxLen)
    ]
    unit = " characters" if any(isinstance(mark, MaxLen) for mark in marks) else ""
    return f"{least[0]:g} to {int(most[0]):,}{unit}" if least else ""


async def test_the_database_has_the_settings_of_the_table(connection):
    written = {row[0]: row[1] for row in rows_of(GUIDES / "configuration.md", "What belongs to the database")}
    settings = await connection.fetchrow(
        "SELECT payload_limit::text, result_limit::text, retention::text FROM pgqueuer.settings"
    )
    assert written == dict(settings)


async def test_the_numbers_of_the_limits_are_the_codes(connection):
    written = {row[0]: int(re.findall(r"\d[\d,]*", row[1])[-1].replace(",", "")) for row in limits_table()}
    fields = JobModel.model_fields
    longest = {
        field: mark.max_length for field in fields for mark in fields[field].metadata if isinstance(mark, MaxLen)
    }
    assert longest["workflow"] == 200
    settings = await connection.fetchrow(
        "SELECT *, extract(day FROM retention)::integer AS days FROM pgqueuer.settings"
    )
    pauses = await connection.fetchval("SELECT max(pgqueuer.retry_backoff(1000, 20)) FROM generate_series(1, 200)")
    assert 300 < pauses <= 300 * 1.2
    assert f"{MAX_METADATA_BYTES:,} bytes" in dict(limits_table())["metadata in a filter"]
    assert written == {
        "payload, as JSON text": settings["payload_limit"],
        "result, as JSON text": settings["result_limit"],
        "levels of nesting of a payload or result": MAX_DEPTH,
        "error text kept": MAX_ERROR_BYTES,
        "jobs in one batch, or in one claim": MAX_BATCH,
        "tags of a job": MAX_TAGS,
        "priority": next(mark.le for mark in fields["priority"].metadata if isinstance(mark, Le)),
        "attempts of a job": QueueConfig.model_fields["max_retries"].metadata[-1].le,
        "names of workflows, queues, tenants, tags, robots": 200,
        "reference": 500,
        "pause before a retry": 300,
        "crashes until a job is quarantined": await crashes_until_quarantined(connection),
        "jobs in one listing": 1000,
        "rows of a table that one page looks at": LOOK,
        "rows that a count looks at": MOST_COUNTED,
        "dead letters that are grouped": 100_000,
        "ids in a filter": MAX_FILTER_IDS,
        "tags in a filter": MAX_TAGS,
        "metadata in a filter": MAX_METADATA_VALUES,
        "payloads and results of one page of a listing": await number_in(connection, "find_jobs", r"v_bytes > (\d+)")
        // 2**20,
        "other actions of a job that are kept": await number_in(connection, "remember_action", r"OFFSET (\d+)"),
        "comments and details of the actions in one answer": await number_in(
            connection, "find_actions", r"v_bytes > (\d+)"
        )
        // 2**20,
        "comment": MAX_COMMENT,
        "comments and edits of a job": 1000,
        "history kept": settings["days"],
        "server": OLDEST_SERVER // 10_000,
        "client": 11,
    }
    assert OLDEST_MAJOR == OLDEST_SERVER // 10_000


def limits_table() -> list[list[str]]:
    return rows_of(GUIDES / "limits.md", "Numbers")


async def number_in(connection, function: str, pattern: str) -> int:
    """Return the number that stands in a function's source."""
    source = await connection.fetchval(
        "SELECT prosrc FROM pg_proc WHERE proname = $1 AND pronamespace = 'pgqueuer'::regnamespace", function
    )
    return int(re.findall(pattern, source)[0])


async def crashes_until_quarantined(connection) -> int:
    for crashes in range(1, 10):
        reason = await connection.fetchval(
            "SELECT pgqueuer.dead_letter_reason(jsonb_populate_record(NULL::pgqueuer.jobs, "
            """'{"attempt": 1, "max_retries": 99, "on_crash": "retry"}'), 'expired', $1)""",
            crashes,
        )
        if reason == "quarantined":
            return crashes
    pytest.fail("never")


async def test_the_table_of_rights_is_the_databases(connection):
    rows = rows_of(GUIDES / "security-and-roles.md", "Roles")
    assert {row[0].removeprefix("pgqueuer_") for row in rows} == {"owner", "producer", "publisher", "robot", "viewer"}
    page = (GUIDES / "security-and-roles.md").read_text(encoding="utf-8")
    written = {
        (name, role)
        for name, *marks in re.findall(r"^\| `(\w+)` \| (yes)? ?\| (yes)? ?\| (yes)? ?\|$", page, re.MULTILINE)
        for role, mark in zip(("producer", "robot", "viewer"), marks, strict=True)
        if mark
    }
    granted = await connection.fetch(
        "SELECT p.proname, substr(r.rolname, 10) AS role FROM pg_proc p CROSS JOIN pg_roles r "
        "WHERE p.pronamespace = 'pgqueuer'::regnamespace AND r.rolname LIKE 'pgqueuer\\_%' AND r.rolname <> 'pgqueuer_owner' "
        "AND has_function_privilege(r.oid, p.oid, 'EXECUTE')"
    )
    assert written == {(row["proname"], row["role"]) for row in granted}


def test_every_command_is_documented_with_exactly_its_options():
    page = (GUIDES / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (casare [\w ]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    commands = dict(leaves("casare", get_command(app)))
    assert sections.keys() == commands.keys()
    for name, command in commands.items():
        has = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        without_blocks = re.sub(r"^```.*?^```$", "", sections[name], flags=re.MULTILINE | re.DOTALL)
        says = set(re.findall(r"--[a-z][a-z-]+", without_blocks))
        assert says == has - {"--help"}, name
        assert f"[`{name}`](#" in page


def leaves(name, command):
    for word, below in getattr(command, "commands", {}).items():
        yield from leaves(f"{name} {word}", below)
    if not hasattr(command, "commands"):
        yield name, command


def test_the_exit_codes_are_those_of_the_command_line():
    written = [row[0] for row in rows_of(GUIDES / "command-line.md", "Exit codes")]
    assert written == re.findall(r"^(\d+) {2,}", cli.__doc__ or "", re.MULTILINE)
