"""The order of claims does not depend on the plan that PostgreSQL happens to choose, nor on what a robot has learned."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.state_machine.backend import Claimed, PostgresBackend
from tests.state_machine.operations import QUEUE
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.state_machine.bench import Bench

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("promoter", ["upkeep", "claim"])
@pytest.mark.parametrize("known_rows", [1, 50])
async def test_jobs_that_are_due_together_are_claimed_in_the_order_of_their_times(
    fresh_bench: Bench, promoter: str, known_rows: int
) -> None:
    bench = fresh_bench
    now = await bench.clock.freeze()
    await _enqueue(bench, [UUID(int=1000 + n) for n in range(known_rows)], [None] * known_rows)
    await bench.first.execute("VACUUM ANALYZE jobs")
    await bench.first.execute("DELETE FROM jobs")
    ids = [UUID(int=n + 1) for n in range(5)]
    await _enqueue(bench, ids, [now + timedelta(seconds=5 - n / 10) for n in range(5)])

    await bench.clock.advance(5)
    await bench.upkeep_passed(1)
    if promoter == "upkeep":
        await bench.first.execute("SELECT upkeep()")

    rows = await bench.first.fetch(
        "SELECT id, seq FROM claim_jobs($1, 5, 'r', $2, 1, '{}', 30, false)", QUEUE, UUID(int=1)
    )
    assert [row["id"] for row in sorted(rows, key=lambda row: row["seq"])] == ids[::-1]


async def test_a_job_given_back_below_a_robots_floor_is_the_next_that_it_claims(fresh_bench: Bench) -> None:
    bench = fresh_bench
    await _enqueue(bench, [UUID(int=n + 1) for n in range(200)], [None] * 200)
    backend = PostgresBackend(bench)
    robot = await backend.robot("one", (), None)
    claimed: list[Claimed] = []

    async def has_raised_its_floor() -> bool:
        claimed.extend((await backend.claim(robot, QUEUE, 1, start=True))[1])
        return max(robot.floors[QUEUE].places) > 0

    await eventually(has_raised_its_floor)
    first = claimed[0]
    assert first.job_id == UUID(int=1)
    await backend.settle(first.job_id, first.token, "released", None, dead_letters=True)
    assert [job.job_id for job in (await backend.claim(robot, QUEUE, 1, start=True))[1]] == [first.job_id]


async def _enqueue(bench: Bench, ids: list[UUID], run_ats: list[object]) -> None:
    await bench.first.execute(
        "SELECT enqueue_jobs($1, NULL, $2, $3, NULL, $4)",
        json.dumps([{"workflow": "pay", "queue_name": QUEUE}]),
        ids,
        ["{}" for _ in ids],
        run_ats,
    )
