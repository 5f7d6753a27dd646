"""The reference of the SQL functions is made from the files; here it is held to a migrated database."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import asyncpg
import pytest
from sql_functions import FOLDER, OWNER, SECTIONS, Argument, read_functions

from casare_rpa.infrastructure.postgres import faults
from casare_rpa.infrastructure.queue import JobModel
from tests.examples.blocks import ROOT, rows_of

FUNCTIONS = read_functions()
PAGE = ROOT / "docs" / "reference" / "sql.md"


@pytest.fixture
async def schema(connection):
    await connection.execute("SET search_path = pgqueuer")
    return connection


async def test_every_function_that_a_role_may_call_is_described(schema):
    rows = await schema.fetch(
        "SELECT p.proname, substr(r.rolname, 10) AS role FROM pg_proc p CROSS JOIN pg_roles r "
        "WHERE p.pronamespace = 'pgqueuer'::regnamespace AND r.rolname LIKE 'pgqueuer\\_%' AND r.rolname <> 'pgqueuer_owner' "
        "AND has_function_privilege(r.oid, p.oid, 'EXECUTE')"
    )
    described = {(function.name, role) for function in FUNCTIONS for role in function.roles if role != OWNER}
    assert described == {(row["proname"], row["role"]) for row in rows}


def test_every_role_and_the_administrators_have_a_section():
    roles = set(re.findall(r"^```\{sql-functions\} (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert roles == {role for function in FUNCTIONS for role in function.roles}
    admins = {function.name for function in FUNCTIONS if function.roles == [OWNER]}
    assert admins >= {"register_login", "purge_queue", "pause_queue", "resume_queue"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_comment_says_what_callers_must_know(function):
    assert function.summary, "the comment above the function begins with what it does"
    missing = [name for name in SECTIONS[1:4] if not function.sections.get(name)]
    assert missing == [], "docs/_ext/sql_functions.py says how such a comment is written"
    assert list(function.described_arguments) == [each.name for each in function.arguments if not each.is_out]
    assert all(function.described_arguments.values())


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
async def test_a_signature_is_that_of_the_database(function, schema):
    row = await schema.fetchrow(
        "SELECT proargnames AS names, proargmodes::text[] AS modes, coalesce(proallargtypes, proargtypes::oid[]) AS types, "
        "pronargdefaults AS defaults, prorettype AS returned, proretset AS is_set FROM pg_proc "
        "WHERE proname = $1 AND pronamespace = 'pgqueuer'::regnamespace",
        function.name,
    )
    written = [*zip_modes(function.arguments), *((column, "t") for column in function.columns)]
    modes = row["modes"] or ["i"] * len(row["types"])
    assert [(each.name, mode, await oid(schema, each.type)) for each, mode in written] == list(
        zip(row["names"] or [], modes, row["types"], strict=True)
    )
    assert sum(each.default is not None for each in function.arguments) == row["defaults"]
    returned = (function.returns or "record").removeprefix("SETOF ")
    if not function.columns:
        assert await oid(schema, returned) == row["returned"]
    assert (function.returns or "").startswith(("SETOF ", "TABLE ")) is row["is_set"]


def zip_modes(arguments: list[Argument]) -> list[tuple[Argument, str]]:
    return [(each, "o" if each.is_out else "i") for each in arguments]


async def oid(connection, name):
    found = await connection.fetchval("SELECT to_regtype($1)::oid", name)
    assert found, f"there is no type {name}"
    return found


def test_the_table_of_errors_is_complete():
    written = {row[0]: row[1] for row in rows_of(PAGE, "Errors")}
    raised = {code for path in FOLDER.glob("*.sql") for code in re.findall(r"ERRCODE = '(CR\d+)'", path.read_text())}
    assert {code for code in written if code.startswith("CR")} == raised
    assert written == {code: type(faults.translate(raised_with(code))).__name__ for code in written}


def raised_with(code: str) -> asyncpg.PostgresError:
    detail = json.dumps({"reference": "r", "job_id": str(uuid4())})
    return asyncpg.PostgresError.new({"S": "ERROR", "C": code, "M": "a message", "D": detail})


def test_the_errors_that_a_function_raises_are_in_its_comment():
    for path in FOLDER.glob("*.sql"):
        text = path.read_text(encoding="utf-8")
        for function in FUNCTIONS:
            found = re.search(
                rf"CREATE OR REPLACE FUNCTION {function.name}\(.*?^(?:END )?\$\$;", text, re.MULTILINE | re.DOTALL
            )
            if found:
                raised = set(re.findall(r"ERRCODE = '(\w+)'", found[0]))
                assert raised <= set(re.findall(r"\b[0-9A-Z]{5}\b", function.sections.get("Errors", ""))), function.name


async def test_rows_of_jobs_have_the_fields_of_the_model(schema):
    rows = await schema.fetch("SELECT attname FROM pg_attribute WHERE attrelid = 'all_jobs'::regclass")
    columns = {row["attname"] for row in rows}
    assert columns >= {"id", "status", "payload", "result", "reason"}
    assert columns - {"seq", "reason"} <= JobModel.model_fields.keys()
