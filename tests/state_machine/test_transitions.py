"""Drives every pair of a state and an operation on both queues and holds the code and the drawing to the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.state_machine import drawing
from tests.state_machine.bench import Bench
from tests.state_machine.memory import MemoryBench
from tests.state_machine.operations import perform
from tests.state_machine.scenes import build, state_of
from tests.state_machine.transitions import FUNCTIONS, HELD, REFUSALS, TRANSITIONS, UNDEFINED, State

if TYPE_CHECKING:
    from tests.state_machine.operations import Case
    from tests.state_machine.transitions import Refusal, Transition

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAWING = Path(__file__, "../../../docs/state_machine.md").resolve()
AnyBench = Bench | MemoryBench
Dump = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=["postgres", "memory"])
def bench(request: pytest.FixtureRequest) -> AnyBench:
    """The bench under test."""
    found: AnyBench = request.getfixturevalue(f"{request.param}_bench")
    return found


def _name(row: Transition | Refusal) -> str:
    return f"{row.state.name}-{row.operation}" + "".join(f"-{fact}" for fact in row.when)


@pytest.mark.parametrize("row", TRANSITIONS, ids=_name)
async def test_transition(bench: AnyBench, row: Transition) -> None:
    case = await build(bench, row.state, row.when)
    before = await bench.dump()
    assert state_of(case, before, await bench.now()) is row.state

    answer = await perform(row.operation, bench.first, case)

    after = await bench.dump()
    state = state_of(case, after, await bench.now())
    assert (answer, state, _changes(case, before, after)) == (row.answer, row.to, row.writes)
    await bench.check()


@pytest.mark.parametrize("row", REFUSALS, ids=_name)
async def test_refusal(bench: AnyBench, row: Refusal) -> None:
    case = await build(bench, row.state, row.when)
    before = await bench.dump()
    assert state_of(case, before, await bench.now()) is row.state

    answer = await perform(row.operation, bench.first, case)

    assert answer == row.answer
    assert _of_this_job(case, await bench.dump()) == _of_this_job(case, before)
    await bench.check()


async def test_every_pair_of_a_state_and_an_operation_is_in_the_table() -> None:
    every: list[Transition | Refusal] = [*TRANSITIONS, *REFUSALS]
    named = {(row.state, row.operation) for row in every}
    assert named | UNDEFINED == {(state, operation) for state in State for operation in FUNCTIONS}
    assert not named & UNDEFINED
    rows = [(row.state, row.operation, row.when) for row in every]
    assert len(rows) == len(set(rows))


async def test_the_drawing_shows_exactly_the_table() -> None:
    text = DRAWING.read_text("utf-8")
    assert drawing.edges_of(text) == drawing.edges()
    assert drawing.table_of(text, "What changes a job") == drawing.transitions()
    assert drawing.table_of(text, "What changes nothing") == drawing.refusals()


def _of_this_job(case: Case, dumped: Dump) -> Dump:
    job_id = str(case.id)
    return {
        table: [row for row in rows if job_id in (row.get("id"), row.get("job_id"))] for table, rows in dumped.items()
    }


def _changes(case: Case, before: Dump, after: Dump) -> tuple[str, ...]:
    """Say in the words of the table what a transition wrote, the state aside."""
    was, now = _record(before), _record(after)
    attempts = [row for row in after["job_attempts"] if row not in before["job_attempts"]]
    if after["job_attempts"] and not now:
        attempts.append({"outcome": "of a job that is gone"})
    parts = (
        _attempt(was, now),
        "crash counted" if now.get("crashes", 0) > was.get("crashes", 0) else "",
        *(f"attempt recorded: {row['outcome']}" for row in attempts),
        _lease(was, now),
        "place at the end" if now and now["seq"] > max((row["seq"] for row in _all(before)), default=0) else "",
        _reference(case, before, after),
        f"reason: {now['reason']}" if "reason" in now else "",
        "cancellation asked" if now.get("cancel_requested_at") and not was.get("cancel_requested_at") else "",
    )
    return tuple(part for part in parts if part)


def _all(dumped: Dump) -> list[dict[str, Any]]:
    return [*dumped["jobs"], *dumped["dead_letter_queue"], *dumped["job_history"]]


def _record(dumped: Dump) -> dict[str, Any]:
    return next(iter(_all(dumped)), {})


def _attempt(was: dict[str, Any], now: dict[str, Any]) -> str:
    if not was or not now or was["attempt"] == now["attempt"]:
        return ""
    change = now["attempt"] - was["attempt"]
    return "attempt 0" if now["attempt"] == 0 and "reason" in was else f"attempt {change:+d}"


def _lease(was: dict[str, Any], now: dict[str, Any]) -> str:
    old, new = was.get("lease_token"), now.get("lease_token")
    if old == new:
        return "lease extended" if old and now["lease_expires_at"] > was["lease_expires_at"] else ""
    return "lease ended" if not new else "lease new" if not old else "lease of another"


def _reference(case: Case, before: Dump, after: Dump) -> str:
    was, now = (str(case.id) in [row["job_id"] for row in dumped["job_references"]] for dumped in (before, after))
    return "" if was == now else "reference taken" if now else "reference freed"


async def test_a_held_state_is_built_with_a_token_that_holds(bench: AnyBench) -> None:
    for state in HELD:
        await bench.clear()
        case = await build(bench, state)
        assert [row["lease_token"] for row in (await bench.dump())["jobs"]] == [str(case.token)]
