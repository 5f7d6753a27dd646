"""Builds every state of the state machine by the operations that lead to it, and says in which state a job is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.state_machine.operations import VISIBILITY, Case, claim, heartbeat, perform, settle
from tests.state_machine.transitions import (
    ABSENT,
    CANCELLED,
    CLAIMED,
    COMPLETED,
    DEAD,
    DEFERRED,
    DUE,
    FAILED,
    HELD,
    READY,
    RUNNING,
    STOPPING,
    State,
)

if TYPE_CHECKING:
    from uuid import UUID

    from tests.state_machine.bench import Bench
    from tests.state_machine.memory import MemoryBench

_TEMPLATES: dict[str, dict[str, Any]] = {
    "last attempt": {"max_retries": 1},
    "third crash": {"max_retries": 9},
    "no dead letter queue": {"enable_dlq": False},
    "time limit reached": {"time_limit": VISIBILITY / 4},
    "on_crash is hold": {"on_crash": "hold"},
    "on_crash is fail": {"on_crash": "fail"},
    "the robot does not fit": {"requirements": {"capabilities": ["sap"]}},
}
_RETRY = 1.5
"""Seconds until a deferred job is due: less than a claim lasts and than the upkeep may be away."""


async def build(bench: Bench | MemoryBench, state: State, when: tuple[str, ...] = ()) -> Case:
    """Bring a new job into a state, by way of an attempt that was released, and let the facts in `when` hold."""
    case = Case(template={key: value for fact in when for key, value in _TEMPLATES.get(fact, {}).items()})
    await heartbeat(bench.helper, case.holder, {}, 0)  # as every robot does before anything else
    if state is FAILED:
        case.template["enable_dlq"] = False
    if state is ABSENT:
        await perform("enqueue", bench.helper, case)
        await perform("purge", bench.helper, case)
    else:
        await _enqueue_and_release(bench, case)
        if "third crash" in when:
            await _crash(bench, case)
            await _crash(bench, case)
        await _reach(bench, case, state)
    await _set_the_scene(bench, case, state, when)
    return case


async def _enqueue_and_release(bench: Bench | MemoryBench, case: Case) -> None:
    await perform("enqueue", bench.helper, case)
    case.ended_token = await _held(bench, case)
    assert await settle(bench.helper, case.id, case.ended_token, "released") == "PENDING"


async def _crash(bench: Bench | MemoryBench, case: Case) -> None:
    await _held(bench, case)
    await bench.clock.advance(VISIBILITY + 1)
    await bench.upkeep_passed(1)
    await perform("upkeep", bench.helper, case)


async def _reach(bench: Bench | MemoryBench, case: Case, state: State) -> None:
    match state:
        case State.DEFERRED | State.DUE:
            await settle(bench.helper, case.id, await _held(bench, case), "failed", _RETRY)
        case State.COMPLETED:
            await settle(bench.helper, case.id, await _held(bench, case), "completed")
        case State.DEAD | State.FAILED:
            await settle(bench.helper, case.id, await _held(bench, case), "business")
        case State.CANCELLED:
            await perform("cancel", bench.helper, case)
        case State.CLAIMED:
            case.token = await _held(bench, case)
        case State.RUNNING | State.STOPPING:
            case.token = await _held(bench, case, start=True)
    if state is STOPPING:
        await perform("cancel", bench.helper, case)
    if state is DUE:
        await bench.clock.advance(_RETRY)


async def _held(bench: Bench | MemoryBench, case: Case, *, start: bool = False) -> UUID:
    token = await claim(bench.helper, case, case.holder, start=start)
    assert token is not None
    return token


async def _set_the_scene(bench: Bench | MemoryBench, case: Case, state: State, when: tuple[str, ...]) -> None:
    if state in HELD:
        await bench.clock.advance(VISIBILITY + 1 if "lease ran out" in when else VISIBILITY / 2)
    if "time limit reached" in when:
        await perform("heartbeat", bench.helper, case)
        await bench.clock.advance(VISIBILITY / 4)
    if "the queue is paused" in when:
        await perform("pause", bench.helper, case)
    if "the robot does not fit" in when:
        case.offers = "{}"
    if "retry_in is 0" in when:
        case.retry_in = 0.0
    if "run_at is later" in when:
        case.run_at = await bench.now() + timedelta(seconds=_RETRY)
    await bench.upkeep_passed(10 if "nobody passed for 10 s" in when else 1)


def state_of(case: Case, dumped: dict[str, list[dict[str, Any]]], now: datetime) -> State:
    """Say in which state the job of a case is, from a dump taken at that moment."""
    found = [
        (table, row)
        for table in ("jobs", "dead_letter_queue", "job_history")
        for row in dumped[table]
        if row["id"] == str(case.id)
    ]
    assert len(found) <= 1, f"the job is in several places: {found}"
    if not found:
        return ABSENT
    table, row = found[0]
    if table == "dead_letter_queue":
        return DEAD
    if row["status"] == "PENDING":
        return READY if not row["deferred"] else DUE if datetime.fromisoformat(row["run_at"]) <= now else DEFERRED
    if row["status"] == "RUNNING" and row["cancel_requested_at"]:
        return STOPPING
    return {"CLAIMED": CLAIMED, "RUNNING": RUNNING, "COMPLETED": COMPLETED, "FAILED": FAILED, "CANCELLED": CANCELLED}[
        row["status"]
    ]
