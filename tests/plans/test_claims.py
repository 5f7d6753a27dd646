"""A claim costs the same however many jobs wait, and whoever they wait for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from casare_rpa.infrastructure.queue.consuming.floors import Floors
from tests.floors import learn
from tests.plans.measure import CLAIM, ENOUGH_FOR_A_GENERIC_PLAN, ROBOT, SETTLE, claim_buffers, fill, hold_off_upkeep

FAR_AWAY = datetime(2999, 1, 1, tzinfo=UTC)
MOST = {1: 45, 10: 200}
"""Buffers of a claim of so many jobs, at most; a scan of the 10,000 jobs touches more than 500."""


@pytest.mark.parametrize("limit", MOST)
async def test_ten_thousand_waiting_cost_what_ten_do(warm, limit, record):
    await fill(warm, "few", 10)
    few = record(f"claim({limit})", "10 waiting", await claim_buffers(warm, "few", limit))
    await fill(warm, "many", 10_000)
    many = record(f"claim({limit})", "10,000 waiting", await claim_buffers(warm, "many", limit))

    assert few <= MOST[limit]
    assert many <= few + 5 * limit + 15


@pytest.mark.parametrize("limit", MOST)
async def test_jobs_for_others_at_the_head_cost_nothing(warm, limit, record):
    await fill(warm, "queue", 10)
    alone = await claim_buffers(warm, "queue", limit)
    await fill(warm, "queue", 10_000, priority=20, requirements={"capabilities": ["sap"]})

    behind = record(f"claim({limit})", "10 waiting behind 10,000 unfit", await claim_buffers(warm, "queue", limit))

    assert behind <= alone + 2 * limit + 15


async def test_tenants_own_jobs_are_not_reached_over_those_of_others(warm, record):
    await fill(warm, "queue", 10_000, priority=20, tenant_id="globex")
    await fill(warm, "queue", 10, tenant_id="acme")
    await warm.execute("INSERT INTO pgqueuer.logins VALUES (session_user, 'acme', NULL)")

    assert (
        record("claim(10)", "10 waiting behind 10,000 of a tenant", await claim_buffers(warm, "queue", 10)) <= MOST[10]
    )


@pytest.mark.parametrize("limit", MOST)
async def test_deferred_jobs_of_high_priority_at_the_head_cost_nothing(warm, limit, record):
    await fill(warm, "queue", 10)
    alone = await claim_buffers(warm, "queue", limit)
    await fill(warm, "queue", 10_000, priority=20, run_at=FAR_AWAY)

    behind = record(f"claim({limit})", "10 waiting behind 10,000 deferred", await claim_buffers(warm, "queue", limit))

    assert behind <= alone + 2 * limit + 15


@pytest.mark.parametrize("limit", MOST)
async def test_plans_made_while_there_was_nothing(connection, other, limit, record):
    """Nobody analyzes between the first job and the ten-thousandth; a robot's session is older than either."""
    await hold_off_upkeep(connection)
    for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
        await claim_buffers(connection, "queue", limit)
    await fill(other, "queue", 10_000)
    await claim_buffers(connection, "queue", limit)  # reads anew what the system knows of the tables

    cached = record(
        f"claim({limit})", "10,000 waiting, planned while empty", await claim_buffers(connection, "queue", limit)
    )

    assert cached <= MOST[limit]


async def test_nothing_to_claim_costs_next_to_nothing(warm, record):
    await fill(warm, "queue", 10_000, priority=20, requirements={"capabilities": ["sap"]})

    assert record("claim(10)", "none fit of 10,000", await claim_buffers(warm, "queue", 10)) <= 20


async def test_dead_entries_at_the_head_under_a_held_snapshot(warm, other, record):
    """Vacuum cannot remove what a held snapshot may still see. The floor steps over it."""
    await fill(warm, "queue", 5_010)
    snapshot = other.transaction(isolation="repeatable_read")
    await snapshot.start()
    await other.fetchval("SELECT count(*) FROM pgqueuer.jobs")
    floors = Floors()
    for _ in range(50):
        *rows, note = await warm.fetch(CLAIM, "queue", 100, ROBOT, floors.routes, floors.places)
        learn(floors, rows, note, full=True)
        await warm.fetch(SETTLE, [row["id"] for row in rows], [row["lease_token"] for row in rows], ["completed"] * 100)

    above = record(
        "claim(10)",
        "5,000 dead ahead, snapshot held, with floors",
        await claim_buffers(warm, "queue", 10, floors.routes, floors.places),
    )
    over = record("claim(10)", "5,000 dead ahead, snapshot held, without", await claim_buffers(warm, "queue", 10))

    await snapshot.rollback()
    assert above <= MOST[10]
    assert over > above + 150, "no dead entries lay ahead: this test shows nothing"


async def test_many_routes_cost_a_step_each_and_no_look_at_the_jobs_of_others(warm, record):
    """Tenants and priorities of one queue; thousands of jobs come later, when all is planned, that are for somebody else."""
    for jobs in (1, 10):
        for tenant in range(10):
            for priority in (0, 5):
                await fill(warm, "queue", jobs, tenant_id=f"tenant {tenant}", priority=priority)
        alone = {limit: await claim_buffers(warm, "queue", limit) for limit in MOST}
    await fill(warm, "elsewhere", 10_000)
    await fill(warm, "elsewhere", 10_000, run_at=FAR_AWAY)
    await fill(warm, "queue", 10_000, priority=20, requirements={"capabilities": ["sap"]})

    for limit, most in MOST.items():
        beside = await claim_buffers(warm, "queue", limit)
        assert record(f"claim({limit})", "20 routes fit, 30,000 jobs for others", beside) <= most + 20 * 9
        assert beside <= alone[limit] + 110
