"""What every other hot call costs, with ten and with ten thousand jobs waiting: the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.plans.measure import (
    CANCEL,
    ENOUGH_FOR_A_GENERIC_PLAN,
    ENQUEUE,
    FIND,
    HEARTBEAT,
    ROBOT,
    SETTLE,
    START,
    UPKEEP,
    buffers,
    fill,
    hold,
    jobs_of,
    let_upkeep_be_due,
)

SIZES = [10, 10_000]


def named(waiting: int) -> str:
    return f"{waiting:,} waiting"


async def test_settle(warm, record):
    for waiting in SIZES:
        await fill(warm, f"queue {waiting}", waiting)
        ids, tokens = await hold(warm, f"queue {waiting}", 10)
        for outcome in ["completed", "failed", "business", "released"]:
            one = await buffers(warm, SETTLE, ids[:1], tokens[:1], [outcome])
            ten = await buffers(warm, SETTLE, ids, tokens, [outcome] * 10)
            assert record(f"settle_jobs(1) {outcome}", named(waiting), one) <= 60
            assert record(f"settle_jobs(10) {outcome}", named(waiting), ten) <= 350


async def test_settle_again(warm, record):
    """A settlement that was sent before is looked up by the job's id in what ended attempts left behind."""
    for waiting in SIZES:
        await fill(warm, f"queue {waiting}", waiting)
        ids, tokens = await hold(warm, f"queue {waiting}", waiting)
        await warm.fetch(SETTLE, ids, tokens, ["completed", "business"] * (waiting // 2))
        for outcome, at in [("completed", -2), ("business", -1)]:
            again = await buffers(warm, SETTLE, [ids[at]], [tokens[at]], [outcome])
            assert record(f"settle_jobs(1) again {outcome}", f"{waiting:,} settled", again) <= 50


async def test_start(warm, record):
    for waiting in SIZES:
        await fill(warm, f"queue {waiting}", waiting)
        ids, tokens = await hold(warm, f"queue {waiting}", 10)
        await warm.execute("UPDATE pgqueuer.jobs SET status = 'CLAIMED' WHERE status = 'RUNNING'")
        assert record("start_jobs(10)", named(waiting), await buffers(warm, START, ids, tokens)) <= 200


async def test_heartbeat(warm, record):
    for waiting in SIZES:
        queue = f"queue {waiting}"
        await fill(warm, queue, waiting)
        ids, tokens = await hold(warm, queue, 10)
        assert record("heartbeat(10)", named(waiting), await buffers(warm, HEARTBEAT, ROBOT, queue, ids, tokens)) <= 220


async def test_enqueue(warm, record):
    for waiting in SIZES:
        queue = f"queue {waiting}"
        await fill(warm, queue, waiting, reference="old")
        for jobs, most in [(1, 60), (10, 300)]:
            plain = await buffers(warm, ENQUEUE, *jobs_of(queue, jobs))
            referenced = await buffers(warm, ENQUEUE, *jobs_of(queue, jobs, reference="new"))
            assert record(f"enqueue_jobs({jobs})", named(waiting), plain) <= most
            assert record(f"enqueue_jobs({jobs}) referenced", named(waiting), referenced) <= most


async def test_upkeep(warm, record):
    for waiting in SIZES:
        await fill(warm, "queue", waiting)
        await fill(warm, "later", waiting, run_at=datetime(2999, 1, 1, tzinfo=UTC))
        await hold(warm, "queue", 10)
        await let_upkeep_be_due(warm)
        state = f"{waiting:,} waiting, as many deferred, 10 held"
        assert record("upkeep", state, await buffers(warm, UPKEEP)) <= 80


async def test_cancel(warm, record):
    for waiting in SIZES:
        [*_, last] = await fill(warm, "queue", waiting)
        assert record("cancel_job", named(waiting), await buffers(warm, CANCEL, last)) <= 60


async def test_find(warm, record):
    for waiting in SIZES:
        await fill(warm, f"queue {waiting}", waiting)
        ids, tokens = await hold(warm, f"queue {waiting}", waiting // 2)
        await warm.fetch(SETTLE, ids, tokens, ["completed"] * (waiting // 2 - 1) + ["business"])
        [waits] = await fill(warm, f"queue {waiting}", 1)
        for where, job_id in [("waits", waits), ("completed", ids[0]), ("is dead", ids[-1])]:
            assert record(f"find_job that {where}", named(waiting), await buffers(warm, FIND, job_id)) <= 60


async def test_plans_made_while_there_was_nothing(connection, other, record):
    """A producer's and a robot's session may be older than all jobs, and nobody analyzes soon."""
    calls: dict[str, tuple[Any, ...]] = {
        "heartbeat": (HEARTBEAT, ROBOT, "queue", [], []),
        "upkeep": (UPKEEP,),
        "find_job": (FIND, uuid4()),
        "settle_jobs": (SETTLE, [uuid4()], [uuid4()], ["completed"]),
        "start_jobs": (START, [uuid4()], [uuid4()]),
    }
    for _ in range(ENOUGH_FOR_A_GENERIC_PLAN):
        await let_upkeep_be_due(connection)
        for call in calls.values():
            await connection.fetch(*call)
        await buffers(connection, ENQUEUE, *jobs_of("queue", 1))
    await fill(other, "queue", 10_000)
    await fill(other, "later", 10_000, run_at=datetime(2999, 1, 1, tzinfo=UTC))
    await let_upkeep_be_due(other)

    for _ in range(2):  # the first time reads anew what the system knows of the tables
        found = {name: await buffers(connection, *call) for name, call in calls.items()}
        found["enqueue_jobs(1)"] = await buffers(connection, ENQUEUE, *jobs_of("queue", 1))

    for name, figure in found.items():
        assert record(name, "10,000 waiting, planned while empty", figure) <= 80, name
