"""What it costs to look which of some jobs have ended."""

from __future__ import annotations

from uuid import uuid4

from tests.plans.measure import ENOUGH_FOR_A_GENERIC_PLAN, SETTLE, buffers, fill, hold

FIND_ENDED = "SELECT id FROM pgqueuer.find_ended($1)"


async def test_find_ended(warm, record):
    for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
        await warm.fetch(FIND_ENDED, [uuid4()])
    for waiting in (10, 10_000):
        state = f"{waiting:,} waiting, as many ended"
        await fill(warm, f"queue {waiting}", waiting)
        ids, tokens = await hold(warm, f"queue {waiting}", waiting)
        await warm.fetch(SETTLE, ids, tokens, ["completed", "business"] * (waiting // 2))
        wait = (await fill(warm, f"queue {waiting}", waiting))[:10]

        assert record("find_ended(10) none", state, await buffers(warm, FIND_ENDED, wait)) <= 80
        assert record("find_ended(1) completed", state, await buffers(warm, FIND_ENDED, ids[-2:-1])) <= 80
        assert record("find_ended(1) dead", state, await buffers(warm, FIND_ENDED, ids[-1:])) <= 80
        assert record("find_ended(1) unknown", state, await buffers(warm, FIND_ENDED, [uuid4()])) <= 80
        assert record("find_ended(10), 1 completed", state, await buffers(warm, FIND_ENDED, wait[1:] + ids[:1])) <= 120


async def test_find_ended_of_ten_thousand(warm, record):
    ids = await fill(warm, "queue", 10_000)
    figure = record("find_ended(10,000) none", "10,000 waiting", await buffers(warm, FIND_ENDED, ids))
    assert figure <= 10_000 * 6
