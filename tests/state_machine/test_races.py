"""Every pair of operations on one job at the same time, on real connections.

Each pair is run in every state in which both change something, or else the first one does. Twice the order is forced: the first
one's transaction stays open until the second has ended or is proven to wait for it; then it is committed, or rolled back. And
both are let go at the same moment, a few times. Whatever happens, the outcome must be that of one after the other, and the
record must be whole.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.state_machine.bench import both
from tests.state_machine.history_checker import check_history
from tests.state_machine.operations import perform
from tests.state_machine.scenes import build, state_of
from tests.state_machine.serial import Moment, outcome_passed_over, outcomes_in_turn
from tests.state_machine.transitions import (
    ABSENT,
    CANCELLED,
    COMPLETED,
    DEAD,
    DEFERRED,
    DUE,
    FAILED,
    HELD,
    NEVER_WAIT,
    READY,
    TRANSITIONS,
    State,
)

if TYPE_CHECKING:
    from tests.state_machine.bench import Bench
    from tests.state_machine.operations import Case

pytestmark = pytest.mark.asyncio(loop_scope="module")

RACERS = (
    "enqueue",
    "enqueue again",
    "enqueue same reference",
    "claim",
    "start",
    "complete",
    "fail",
    "release",
    "heartbeat",
    "heartbeat without it",
    "upkeep",
    "cancel",
    "purge",
    "redrive",
    "pause",
)
PAIRS = [(first, second) for first in RACERS for second in RACERS]
ROUNDS = 4


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_one_after_the_other(bench: Bench, first: str, second: str) -> None:
    for state in _states(first, second):
        for committed in (True, False):
            await bench.clear()
            await _force(bench, state, first, second, committed=committed)


@pytest.mark.parametrize(("one", "other"), [pair for pair in PAIRS if pair[0] <= pair[1]])
async def test_at_the_same_moment(bench: Bench, one: str, other: str) -> None:
    for state in sorted({*_states(one, other), *_states(other, one)}):
        for number in range(ROUNDS):
            await bench.clear()
            case, start = await _scene(bench, state)
            calls = [perform(one, bench.first, case), perform(other, bench.second, case)]
            if number % 2:
                answers = await both(*calls)
            else:
                late, early = await both(*calls[::-1])
                answers = early, late
            swapped = outcomes_in_turn(start, other, one)
            allowed = [outcomes_in_turn(start, one, other), (swapped[0], swapped[2], swapped[1])]
            if skipped := outcome_passed_over(start, one, other):
                allowed.append(skipped)
            if skipped := outcome_passed_over(start, other, one):
                allowed.append((skipped[0], skipped[2], skipped[1]))
            await _check(bench, case, answers, allowed)


async def _force(bench: Bench, state: State, first: str, second: str, *, committed: bool) -> None:
    case, start = await _scene(bench, state)
    transaction = bench.first.transaction()
    await transaction.start()
    first_answer = await perform(first, bench.first, case)
    if second in NEVER_WAIT:
        waits, task = False, asyncio.create_task(perform(second, bench.impatient, case))
        await asyncio.wait({task})
    else:
        task = asyncio.create_task(perform(second, bench.second, case))
        waits = await bench.waits_for(bench.second, task)
    await (transaction.commit() if committed else transaction.rollback())
    second_answer = await task
    await _check(
        bench,
        case,
        (first_answer if committed else "", second_answer),
        _allowed(start, first, second, waits=waits, committed=committed),
    )


def _allowed(start: Moment, first: str, second: str, *, waits: bool, committed: bool) -> list[tuple[Moment, str, str]]:
    """Who waited saw what the first one did; who did not may also come before it, or have passed over the job."""
    if not committed:
        alone = outcomes_in_turn(start, "resume", second)
        skipped = outcome_passed_over(start, "resume", second)
        return [(after, "", answer) for after, _, answer in (alone, skipped or alone)]
    in_turn = outcomes_in_turn(start, first, second)
    if waits:
        return [in_turn]
    after, second_answer, first_answer = outcomes_in_turn(start, second, first)
    skipped = outcome_passed_over(start, first, second)
    return [in_turn, (after, first_answer, second_answer), *([skipped] if skipped else [])]


async def _check(bench: Bench, case: Case, answers: tuple[str, str], allowed: list[tuple[Moment, str, str]]) -> None:
    assert (await _observed(bench, case), *answers) in [(moment.record, *said) for moment, *said in allowed]
    await check_history(bench.watcher)


async def _observed(bench: Bench, case: Case) -> tuple[State, int, int, tuple[str, ...], int]:
    dumped = await bench.dump()
    rows = [row for table in ("jobs", "dead_letter_queue", "job_history") for row in dumped[table]]
    mine = [row for row in rows if row["id"] == str(case.id)]
    outcomes = sorted(row["outcome"] for row in dumped["job_attempts"])
    attempt, crashes = (mine[0]["attempt"], mine[0]["crashes"]) if mine else (0, 0)
    return state_of(case, dumped, await bench.now()), attempt, crashes, tuple(outcomes), len(rows) - len(mine)


async def _scene(bench: Bench, state: State) -> tuple[Case, Moment]:
    """Build a state; what is held is under a lease that ran out, so that everything may happen to it."""
    case = await build(bench, state, ("lease ran out",) if state in HELD else ())
    recorded = {DEAD: ("business", "released"), FAILED: ("business", "released"), ABSENT: ()}.get(state, ("released",))
    if state in {DEFERRED, DUE}:
        recorded = ("failed", "released")
    begun = state in {*HELD, DEFERRED, DUE, COMPLETED, DEAD, FAILED}
    return case, Moment(state, state in HELD, state in HELD, int(begun), recorded=recorded)


def _states(first: str, second: str) -> list[State]:
    """The states in which both change something, or else the first one does; a new job can only be enqueued where there is none."""
    if "enqueue" in {first, second}:
        return [ABSENT]
    one, other = _changes_in(first), _changes_in(second)
    return sorted(one & other or one)


def _changes_in(operation: str) -> set[State]:
    if operation == "enqueue same reference":
        return {ABSENT, CANCELLED}
    if operation == "pause":
        return {READY}
    return {row.state for row in TRANSITIONS if row.operation == operation}
