"""(e) What a claim costs while 10,000 and while a million jobs wait, in time and in buffers that it touches.

The jobs are the mix of tests/plans, made by one statement for each table. A claim is measured by EXPLAIN (ANALYZE, BUFFERS) in a
session that has just begun, and rolled back.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg

from benchmarks.measure import installed
from benchmarks.report import Key
from benchmarks.systems import SYSTEMS
from tests.plans.filled import fill_with, prepare
from tests.plans.measure import CLAIM, ENOUGH_FOR_A_GENERIC_PLAN, hold_off_upkeep

if TYPE_CHECKING:
    from benchmarks.run import Run

CLAIMS = (1, 10, 100)
TIMES = 15
LOGGED = "".join(
    f"ALTER TABLE pgqueuer.{table} SET LOGGED;" for table in ("job_references", "jobs", "dead_letter_queue")
)
"""The tests make them unlogged, for speed."""


def measure(run: Run) -> None:
    """Fill a database with each number of jobs and claim from it."""
    if not run.systems(["casare"]):
        return
    for jobs in run.plan.backlogs:
        with run.attempt(name_of(jobs), SYSTEMS["casare"]), installed(run.server, SYSTEMS["casare"]) as (url, _):
            found = asyncio.run(_measure_in(url, jobs))
            for claim, (buffers, milliseconds) in found.items():
                run.report.add(name_of(jobs), "casare", f"claim {claim}: buffers", buffers, "buffers")
                run.report.add(name_of(jobs), "casare", f"claim {claim}: time", milliseconds, "ms")
                run.say(f"{name_of(jobs)}, claim {claim}: {buffers} buffers, {milliseconds:.2f} ms")
    few, many = min(run.plan.backlogs), max(run.plan.backlogs)
    metric = "claim 10: buffers"
    run.report.set_ratio("buffers_1m_vs_10k", Key(name_of(many), "casare", metric), Key(name_of(few), "casare", metric))


def name_of(jobs: int) -> str:
    """Return the scenario's name for a number of waiting jobs."""
    return f"backlog {jobs}"


async def _measure_in(url: str, jobs: int) -> dict[int, tuple[int, float]]:
    connection = await asyncpg.connect(url)
    try:
        await prepare(connection)
        await connection.execute(LOGGED)
        await fill_with(connection, jobs)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    connection = await asyncpg.connect(url)
    try:
        await hold_off_upkeep(connection)
        for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
            await _claim(connection, 1)
        return {claim: await _measure_claim(connection, claim) for claim in CLAIMS}
    finally:
        await connection.close()


async def _measure_claim(connection: asyncpg.Connection, claim: int) -> tuple[int, float]:
    """Return the least buffers and the median milliseconds of some claims: a session's first reads what it knows of tables."""
    found = [await _claim(connection, claim) for _ in range(TIMES)]
    return min(buffers for buffers, _ in found), statistics.median(milliseconds for _, milliseconds in found)


async def _claim(connection: asyncpg.Connection, claim: int) -> tuple[int, float]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        arguments: tuple[object, ...] = ("letters", claim, uuid4(), [], [])
        [[text]] = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {CLAIM}", *arguments)
    finally:
        await transaction.rollback()
    explained = json.loads(text)[0]
    plan = explained["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], explained["Execution Time"]
