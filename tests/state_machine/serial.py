"""Which outcomes two operations that run at the same time may have: those of one after the other, by the table.

One allowance is made, and it is the specification's: an operation that never waits passes over a job that another one is just
changing, as though it were not there ("among jobs visible and unlocked at the claim").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    REFUSALS,
    TRANSITIONS,
    State,
    Transition,
)

_SETTLEMENTS = {"complete": "completed", "fail": "failed", "fail for business": "business", "release": "released"}
_STATUS = {READY: "PENDING", DEFERRED: "PENDING", DEAD: "FAILED"} | {s: s.name for s in (COMPLETED, FAILED, CANCELLED)}
_BY_TOKEN = frozenset({*_SETTLEMENTS, "start", "heartbeat"})
_PASSED_OVER = {"claim": "nothing", "claim and start": "nothing", "heartbeat": "kept", "purge": "0"}


@dataclass(frozen=True)
class Moment:
    """What is so about one job at one moment.

    `holds` says whether the token that the operations name is that of the job's lease, `ended` how the attempt of that token
    ended and what that was answered, `others` how many other jobs with the same reference wait.
    """

    state: State
    holds: bool
    lease_ran_out: bool
    attempt: int
    crashes: int = 0
    recorded: tuple[str, ...] = ()
    ended: tuple[str, str] | None = None
    others: int = 0
    paused: bool = False

    @property
    def record(self) -> tuple[State, int, int, tuple[str, ...], int]:
        """What the database shows of it."""
        return self.state, self.attempt, self.crashes, self.recorded, self.others


def outcomes_in_turn(start: Moment, first: str, second: str) -> tuple[Moment, str, str]:
    """Return what is so after `first` and then `second`, and what they answered."""
    between, first_answer = _step(start, first)
    after, second_answer = _step(between, second)
    return after, first_answer, second_answer


def outcome_passed_over(start: Moment, done: str, skips: str) -> tuple[Moment, str, str] | None:
    """Return what is so after `done` when `skips` passed over the job meanwhile, or None when it does not do that."""
    if skips not in NEVER_WAIT:
        return None
    after, answer = _step(start, done)
    token_held = start.state in HELD and start.holds
    skipped = "asked" if skips == "heartbeat" and start.state is State.STOPPING else _PASSED_OVER.get(skips, "done")
    return after, answer, "lost" if skips == "heartbeat" and not token_held else skipped


def _step(now: Moment, operation: str) -> tuple[Moment, str]:
    if operation in _BY_TOKEN and not now.holds:
        return now, _answer_to_an_ended_lease(now, operation)
    if operation == "enqueue same reference":
        return _enqueue_same_reference(now)
    if now.others if operation.startswith("enqueue") and now.state is ABSENT else operation == "enqueue":
        return now, "DuplicateReference"
    if operation == "pause":
        return replace(now, paused=True), "done"
    if operation == "purge":
        return _purge(now)
    found = _rows(now, operation)
    return (_apply(now, found), found.answer) if isinstance(found, Transition) else (now, found)


def _answer_to_an_ended_lease(now: Moment, operation: str) -> str:
    if operation == "heartbeat":
        return "lost"
    if now.ended is None or operation == "start":
        return "LeaseLost"
    outcome, answer = now.ended
    same = _SETTLEMENTS[operation] == outcome or (outcome == "cancelled" and operation != "complete")
    return answer if same else "LeaseLost"


def _enqueue_same_reference(now: Moment) -> tuple[Moment, str]:
    if now.others or now.state not in {ABSENT, CANCELLED}:
        return now, "DuplicateReference"
    return replace(now, others=now.others + 1), "enqueued"


def _purge(now: Moment) -> tuple[Moment, str]:
    row = next((row for row in TRANSITIONS if row.state is now.state and row.operation == "purge"), None)
    count = now.others + (row is not None)
    return replace(_apply(now, row) if row else now, others=0), str(count)


def _rows(now: Moment, operation: str) -> Transition | str:
    facts = {"lease ran out"} if now.lease_ran_out else set()
    possible = [
        row for row in TRANSITIONS if (row.state, row.operation) == (now.state, operation) and set(row.when) <= facts
    ]
    if operation.startswith("claim") and now.state in {READY, DUE} and now.paused:
        return "nothing"
    if possible:
        return max(possible, key=lambda row: len(row.when))
    return next(row.answer for row in REFUSALS if (row.state, row.operation) == (now.state, operation) and not row.when)


def _apply(now: Moment, row: Transition) -> Moment:
    attempt = 0 if row.attempt == "0" else now.attempt + {"+1": 1, "-1": -1}.get(row.attempt, 0)
    after = replace(now, state=row.to, attempt=attempt, crashes=now.crashes + row.crash)
    if row.to is ABSENT:
        return replace(after, attempt=0, crashes=0, recorded=(), holds=False)
    if row.ends:
        after = replace(after, recorded=tuple(sorted((*now.recorded, row.ends))))
    if row.lease == "ended":
        outcome = "cancelled before it began" if row.operation == "cancel" else row.ends or "completed"
        return replace(after, holds=False, lease_ran_out=False, ended=(outcome, _STATUS[row.to]))
    return replace(after, lease_ran_out=False) if row.lease else after
