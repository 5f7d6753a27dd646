"""What the doctor says when tables, constraints or indexes are gone, and that its advice mends what can be mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue.doctor import examine
from casare_rpa.infrastructure.queue.doctor.checks.objects import EXPECTED
from casare_rpa.infrastructure.queue.doctor.finding import RESTORE
from casare_rpa.infrastructure.queue.doctor.queries import QUERIES
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue import QueueConfig
    from tests.cli.conftest import Casare
    from tests.cli.doctor.conftest import Look

UNVALIDATED = """
    ALTER TABLE pgqueuer.jobs DROP CONSTRAINT jobs_priority_check,
        ADD CONSTRAINT jobs_priority_check CHECK (priority BETWEEN 0 AND 20) NOT VALID"""


async def test_the_list_is_what_the_migrations_make(connection: asyncpg.Connection) -> None:
    made: dict[str, dict[str, str | None]] = {}
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path = pg_catalog")
        for row in await connection.fetch(QUERIES["objects"], "pgqueuer"):
            definition = row["definition"] and row["definition"].replace("pgqueuer.", "{schema}.")
            made.setdefault(row["kind"], {})[row["name"]] = definition
    assert made == EXPECTED, f"doctor/objects.json should hold {json.dumps(made, indent=1)}"


@pytest.mark.parametrize(
    ("broken", "state", "facts"),
    [
        ("DROP INDEX pgqueuer.idx_jobs_status_priority", "warning", {"missing": ["idx_jobs_status_priority"]}),
        ("DROP INDEX pgqueuer.idx_job_history_id", "warning", {"missing": ["idx_job_history_id"]}),
        ("ALTER TABLE pgqueuer.jobs DROP CONSTRAINT jobs_pkey", "problem", {"missing": ["jobs.jobs_pkey"]}),
        (
            "ALTER TABLE pgqueuer.jobs DROP CONSTRAINT jobs_priority_check",
            "problem",
            {"missing": ["jobs.jobs_priority_check"]},
        ),
        (
            UNVALIDATED,
            "warning",
            {"invalid": ["jobs.jobs_priority_check"]},
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pgqueuer.idx_jobs_held'::regclass",
            "warning",
            {"invalid": ["idx_jobs_held"]},
        ),
    ],
)
async def test_the_advice_mends_it(
    connection: asyncpg.Connection, look: Look, broken: str, state: str, facts: dict[str, Any]
) -> None:
    assert (await look("objects")).state == "ok"
    await connection.execute(broken)
    finding = await look("objects")
    assert (finding.state, finding.facts) == (state, facts)
    assert finding.advice is not None
    await connection.execute(finding.advice)
    assert (await look("objects")).state == "ok"


async def test_an_index_that_a_migration_builds_beside_the_work(
    connection: asyncpg.Connection, look: Look, casare: Casare, database: str
) -> None:
    await connection.execute("DROP INDEX pgqueuer.idx_dead_letter_queue_latest")
    finding = await look("objects")
    assert (finding.state, (finding.advice or "").startswith("casare migrate")) == ("warning", True)
    (await casare("migrate")).done()
    assert (await look("objects")).state == "ok"


async def test_a_table_that_is_gone_is_never_a_matter_for_migrate(
    connection: asyncpg.Connection, config: QueueConfig, casare: Casare, database: str
) -> None:
    await connection.execute("DROP TABLE pgqueuer.dead_letter_queue CASCADE")
    findings = [finding for finding in await examine(config) if finding.state == "problem"]
    assert findings[0].facts == {"missing": ["table dead_letter_queue", "view all_jobs"]}
    assert {finding.advice for finding in findings} == {RESTORE}
    said = (await casare("migrate")).complaint(3)
    assert "objects of the schema are missing" in said
    assert "restore them from a backup" in said


async def test_another_version_is_not_compared(connection: asyncpg.Connection, look: Look) -> None:
    await connection.execute("DELETE FROM pgqueuer.migrations WHERE version = $1", PROGRAM_VERSION)
    finding = await look("objects")
    assert (finding.state, "not compared" in finding.found) == ("note", True)
