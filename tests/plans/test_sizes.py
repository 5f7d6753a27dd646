"""Every hot call and every listing, with ten, ten thousand and a million jobs waiting: none may cost more for the others' sake.

Each database is measured twice. First in a session that made its plans while there was nothing, before anybody analyzed; then,
analyzed, in a session that has just begun.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from casare_rpa.testing.databases import database
from tests.plans.calls import HOT, LISTINGS, Call, Known, get_to_know
from tests.plans.conftest import COST, EARLY, ESTIMATES, LATE
from tests.plans.filled import SIZES, Cost, fill_with, prepare
from tests.plans.measure import ENOUGH_FOR_A_GENERIC_PLAN, buffers, hold_off_upkeep, warm_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from casare_rpa.embedded import EmbeddedPostgres

pytestmark = pytest.mark.asyncio(loop_scope="module")
CALLS = (*HOT, *LISTINGS)
COUNTS = ("waiting", "due", "deferred", "dead_letters")
EXACT_OF = """
SELECT queue_name, count(*) FILTER (WHERE status = 'PENDING') AS waiting,
       count(*) FILTER (WHERE status = 'PENDING' AND NOT deferred) AS due,
       count(*) FILTER (WHERE status = 'PENDING' AND deferred) AS deferred FROM pgqueuer.jobs"""
EXACT = f"""
SELECT j.*, coalesce(d.dead_letters, 0) AS dead_letters FROM ({EXACT_OF} GROUP BY 1) j
  LEFT JOIN (SELECT queue_name, count(*) AS dead_letters FROM pgqueuer.dead_letter_queue GROUP BY 1) d USING (queue_name)"""
QUEUE_DEPTH = "SELECT pgqueuer.queue_depth('letters')"


@dataclass
class Filled:
    """A database with waiting jobs, and the session that is older than all of them."""

    url: str
    early: asyncpg.Connection
    known: Known
    cost: Cost


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(server: EmbeddedPostgres, template_database: str) -> AsyncIterator[dict[int, Filled]]:
    async with contextlib.AsyncExitStack() as stack:
        made = {}
        for size in SIZES:
            url = stack.enter_context(database(server.url, f"size_{size}", template_database))
            early = await asyncpg.connect(url)
            stack.push_async_callback(early.close)
            made[size] = await _fill(url, early, size)
        yield made


async def _fill(url: str, early: asyncpg.Connection, size: int) -> Filled:
    await prepare(early)
    await warm_up(early)
    await hold_off_upkeep(early)
    await early.execute("VACUUM ANALYZE")  # nothing tempts a planner more than a table that it knows to be empty
    for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
        for call in CALLS:
            with contextlib.suppress(asyncpg.PostgresError):  # there is no such job yet
                await _measure(early, call, Known(), times=1)
    other = await asyncpg.connect(url)
    try:
        cost = await fill_with(other, size)
        known = await get_to_know(other)
    finally:
        await other.close()
    return Filled(url, early, known, cost)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def late(filled: dict[int, Filled]) -> AsyncIterator[dict[int, asyncpg.Connection]]:
    """Sessions that begin after all that, and after the tables were vacuumed and analyzed."""
    async with contextlib.AsyncExitStack() as stack:
        opened = {}
        for size, each in filled.items():
            opened[size] = await asyncpg.connect(each.url)
            stack.push_async_callback(opened[size].close)
            await opened[size].execute("VACUUM ANALYZE")
        yield opened


async def _measure(connection: asyncpg.Connection, call: Call, known: Known, times: int = 2) -> int:
    return await buffers(connection, call.sql, *call.arguments(known), before=call.before, times=times)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_plans_made_while_there_was_nothing(
    filled: dict[int, Filled], call: Call, record_sizes: Callable[[str, str, list[int]], None]
) -> None:
    found = [await _measure(each.early, call, each.known) for each in filled.values()]
    record_sizes(EARLY, call.name, found)
    assert max(found) <= call.most, found


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_plans_made_for_what_there_is(
    filled: dict[int, Filled],
    late: dict[int, asyncpg.Connection],
    call: Call,
    record_sizes: Callable[[str, str, list[int]], None],
) -> None:
    found = [await _measure(connection, call, filled[size].known) for size, connection in late.items()]
    record_sizes(LATE, call.name, found)
    assert max(found) <= call.most, found


async def test_the_depth_of_a_queue_is_counted_from_the_index_alone(
    filled: dict[int, Filled], late: dict[int, asyncpg.Connection], record_sizes: Callable[[str, str, list[int]], None]
) -> None:
    found = [await buffers(connection, QUEUE_DEPTH) for connection in late.values()]
    record_sizes(LATE, "queue_depth, which counts", found)
    assert found[-1] < 400_000 / 100, "jobs of a page of an index"


async def test_what_is_estimated_is_near(
    filled: dict[int, Filled], record_property: Callable[[str, object], None]
) -> None:
    session = filled[1_000_000].early
    exact = {row["queue_name"]: row for row in await session.fetch(EXACT)}

    found = {row["queue_name"]: row for row in await session.fetch("SELECT * FROM pgqueuer.list_queues()")}

    assert found.keys() == exact.keys() | {"warm"}
    for queue in ("letters", "invoices", "queue 85", "queue 99"):
        assert found[queue]["estimated"]
        record_property(
            ESTIMATES, f"{queue:<12}" + "".join(_compared(name, found[queue], exact[queue]) for name in COUNTS)
        )
    for queue in exact:
        for name in COUNTS:
            _assert_near(found[queue][name], exact[queue][name])
    assert (found["held"]["claimed"], found["held"]["running"], found["held"]["estimated"]) == (10, 10, False)


async def test_estimates_for_a_tenant_are_of_its_own_jobs(filled: dict[int, Filled]) -> None:
    session = filled[1_000_000].early
    async with _undone(session):
        await session.execute("INSERT INTO pgqueuer.logins VALUES (session_user, 'acme', NULL)")
        found = {row["queue_name"]: row for row in await session.fetch("SELECT * FROM pgqueuer.list_queues()")}
    exact = {row["queue_name"]: row for row in await session.fetch(f"{EXACT_OF} WHERE tenant_id = 'acme' GROUP BY 1")}

    assert found.keys() == exact.keys()
    for queue, row in found.items():
        for name in ("waiting", "due", "deferred"):
            _assert_near(row[name], exact[queue][name])


async def test_more_held_jobs_than_are_counted_are_estimated(filled: dict[int, Filled]) -> None:
    session = filled[1_000_000].early
    async with _undone(session):
        await session.execute(
            """UPDATE pgqueuer.jobs SET status = (CASE WHEN seq % 4 = 0 THEN 'CLAIMED' ELSE 'RUNNING' END)::pgqueuer.job_status
                WHERE queue_name = 'letters' AND status = 'PENDING' AND NOT deferred AND seq < 250000"""
        )
        [found] = await session.fetch("SELECT * FROM pgqueuer.list_queues('letters')")
        exact = await session.fetchrow(
            """SELECT count(*) FILTER (WHERE status = 'CLAIMED') AS claimed, count(*) FILTER (WHERE status = 'RUNNING') AS running
                 FROM pgqueuer.jobs WHERE queue_name = 'letters'"""
        )
    assert found["estimated"]
    assert exact["running"] > 50_000
    assert found["running"] == pytest.approx(exact["running"], rel=0.15)
    assert found["claimed"] == pytest.approx(exact["claimed"], rel=0.25)


@contextlib.asynccontextmanager
async def _undone(session: asyncpg.Connection) -> AsyncIterator[None]:
    transaction = session.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def _compared(name: str, found: asyncpg.Record, exact: asyncpg.Record) -> str:
    return f" {name} {exact[name]:,} ~ {found[name]:,} ({found[name] / exact[name] - 1:+.1%})" if exact[name] else ""


def _assert_near(found: int, exact: int) -> None:
    """Within a tenth of a large number; of a small one, which few of the pages hold that are looked at, within a half."""
    assert found == pytest.approx(exact, rel=0.1 if exact >= 50_000 else 0.5, abs=500)


async def test_a_million_jobs_are_made_quickly(
    filled: dict[int, Filled], record_property: Callable[[str, object], None]
) -> None:
    for each in filled.values():
        record_property(COST, str(each.cost))
    assert filled[1_000_000].cost.megabytes < 1200
    assert await filled[1_000_000].early.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 1_000_020
