"""`casare doctor`: its table, its JSON, its exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.infrastructure.queue.doctor.checks import CHECKS
from tests.examples.blocks import ROOT, rows_of

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import Casare

NASTY = "\x1b[31mreport\u202e"


async def test_the_table_names_every_check_with_its_state_and_advice(casare: Casare, database: str) -> None:
    outcome = await casare("doctor")
    lines = [line.split() for line in outcome.done().splitlines()]
    assert lines[0] == ["STATE", "CHECK", "FOUND"]
    assert {line[0] for line in lines[1:]} <= {"ok", "note", "warning", "problem", "->"}
    assert outcome.out.count("\nwarning  durability") == 3
    assert "-> ALTER SYSTEM SET fsync = on;" in outcome.out
    assert outcome.err.startswith("casare: 3 warning, ")


async def test_json(casare: Casare, database: str) -> None:
    document = (await casare("doctor", "--json")).json()
    assert document["worst"] == "warning"
    assert {finding["check"] for finding in document["findings"]} == {check.name for check in CHECKS}
    assert set(document["findings"][0]) == {"check", "state", "found", "advice", "facts"}


async def test_exit_codes(casare: Casare, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await casare("doctor")).complaint(2).startswith("no database: set PGQUEUER_DATABASE_URL")
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", empty_database_url)
    assert (await casare("doctor")).code == 1
    assert (await casare("doctor", "--json")).code == 1
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", "postgresql://u:p@127.0.0.1:1/d")
    assert (await casare("doctor")).code == 1


async def test_strict(casare: Casare, database: str) -> None:
    assert (await casare("doctor")).code == 0
    assert (await casare("doctor", "--strict")).code == 1


async def test_what_others_called_themselves_is_printed_harmlessly(casare: Casare, database: str) -> None:
    holder = await asyncpg.connect(database, server_settings={"application_name": NASTY})
    try:
        await holder.execute("BEGIN; SELECT pg_current_xact_id()")
        assert "[31mreport" in (await casare("doctor")).done()  # the fixture has looked for escape characters
        assert (await casare("doctor", "--json")).out.isascii()
    finally:
        await holder.close()


def test_the_guide_names_every_check() -> None:
    assert [row[0] for row in rows_of(ROOT / "docs" / "guides" / "doctor.md", "Checks")] == [c.name for c in CHECKS]
