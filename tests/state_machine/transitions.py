"""The life of a job as data: what every operation does in every state, and what it answers where it does nothing.

`TRANSITIONS` change the job; `REFUSALS` change nothing of it. Together they name every pair of a state and an operation, some of
them more than once, told apart by `when`: facts that must hold beside the state. `docs/state_machine.md` shows the same to
people, and a test keeps the two alike; another test drives every row on a real database.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a job is, finer than its status."""

    ABSENT = "ABSENT"
    READY = "READY"
    DEFERRED = "DEFERRED"
    DUE = "DUE"
    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    DEAD = "DEAD"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ABSENT, READY, DEFERRED, DUE, CLAIMED, RUNNING, STOPPING, COMPLETED, DEAD, FAILED, CANCELLED = State
WAITING = (READY, DEFERRED, DUE)
HELD = (CLAIMED, RUNNING, STOPPING)
ENDED = (COMPLETED, DEAD, FAILED, CANCELLED)

FUNCTIONS = {
    "enqueue": "enqueue_jobs",
    "enqueue again": "enqueue_jobs",
    "enqueue same reference": "enqueue_jobs",
    "claim": "claim_jobs",
    "claim and start": "claim_jobs",
    "start": "start_jobs",
    "complete": "settle_jobs",
    "fail": "settle_jobs",
    "fail for business": "settle_jobs",
    "release": "settle_jobs",
    "settle again": "settle_jobs",
    "heartbeat": "heartbeat",
    "heartbeat without it": "heartbeat",
    "upkeep": "upkeep",
    "cancel": "cancel_job",
    "purge": "purge_queue",
    "redrive": "redrive_jobs",
    "pause": "pause_queue",
    "resume": "resume_queue",
}
"""Every operation, and the function of the schema that it is."""

NEVER_WAIT = frozenset({"claim", "claim and start", "heartbeat", "heartbeat without it", "upkeep", "purge"})
"""Operations that pass over a job that another transaction is just changing."""


@dataclass(frozen=True)
class Transition:
    """One thing that may happen to a job: what the operation answers, and what becomes of the job's record.

    `attempt` is the change of the attempt number, `ends` the outcome under which the attempt is recorded, `lease`, `place` and
    `reference` say what happens to those, `reason` is the dead letter's.
    """

    state: State
    operation: str
    to: State
    answer: str
    when: tuple[str, ...] = ()
    attempt: str = ""
    crash: bool = False
    ends: str = ""
    lease: str = ""
    place: str = ""
    reference: str = ""
    reason: str = ""
    asked: bool = False

    @property
    def writes(self) -> tuple[str, ...]:
        """What changes in the record beside the state, in words."""
        parts = (
            self.attempt and f"attempt {self.attempt}",
            "crash counted" if self.crash else "",
            self.ends and f"attempt recorded: {self.ends}",
            self.lease and f"lease {self.lease}",
            self.place and f"place {self.place}",
            self.reference and f"reference {self.reference}",
            self.reason and f"reason: {self.reason}",
            "cancellation asked" if self.asked else "",
        )
        return tuple(part for part in parts if part)


def _enqueued() -> list[Transition]:
    new: dict[str, Any] = {"answer": "enqueued", "place": "at the end", "reference": "taken"}
    return [
        Transition(ABSENT, "enqueue", READY, **new),
        Transition(ABSENT, "enqueue", DEFERRED, when=("run_at is later",), **new),
        Transition(ABSENT, "enqueue again", READY, **new),
    ]


def _claimed() -> list[Transition]:
    taken: dict[str, Any] = {"answer": "claimed", "attempt": "+1", "lease": "new"}
    return [
        Transition(state, operation, to, place="at the end" if state is DUE else "", **taken)
        for state in (READY, DUE)
        for operation, to in (("claim", CLAIMED), ("claim and start", RUNNING))
    ]


def _settled(state: State) -> list[Transition]:
    failed: dict[str, Any] = {"ends": "failed", "lease": "ended"}
    business: dict[str, Any] = {"ends": "business", "lease": "ended"}
    released: dict[str, Any] = {"answer": "PENDING", "attempt": "-1", "ends": "released", "lease": "ended"}
    return [
        Transition(state, "complete", COMPLETED, "COMPLETED", lease="ended"),
        Transition(state, "fail", DEFERRED, "PENDING", place="at the end", **failed),
        Transition(state, "fail", READY, "PENDING", when=("retry_in is 0",), place="at the end", **failed),
        Transition(state, "fail", DEAD, "FAILED", when=("last attempt",), reason="exhausted", **failed),
        Transition(state, "fail", FAILED, "FAILED", when=("last attempt", "no dead letter queue"), **failed),
        Transition(state, "fail for business", DEAD, "FAILED", reason="business", **business),
        Transition(state, "fail for business", FAILED, "FAILED", when=("no dead letter queue",), **business),
        Transition(state, "release", READY, **released),
        Transition(state, "heartbeat without it", READY, **{**released, "answer": "done"}),
    ]


def _expired(state: State) -> list[Transition]:
    expired: dict[str, Any] = {"answer": "done", "crash": True, "ends": "expired", "lease": "ended"}
    out = "lease ran out"
    rows = [
        Transition(state, "upkeep", READY, when=(out,), place="at the end", **expired),
        Transition(state, "upkeep", DEAD, when=(out, "last attempt"), reason="exhausted", **expired),
        Transition(state, "upkeep", DEAD, when=(out, "third crash"), reason="quarantined", **expired),
        Transition(state, "upkeep", FAILED, when=(out, "last attempt", "no dead letter queue"), **expired),
    ]
    if state is RUNNING:
        return [
            *rows,
            Transition(state, "upkeep", DEAD, when=(out, "on_crash is hold"), reason="in doubt", **expired),
            Transition(state, "upkeep", DEAD, when=(out, "on_crash is fail"), reason="crashed", **expired),
        ]
    harmless = [
        Transition(state, "upkeep", READY, when=(out, crash), place="at the end", **expired)
        for crash in ("on_crash is hold", "on_crash is fail")
    ]
    return [*rows, *harmless]


def _cancelled() -> list[Transition]:
    freed: dict[str, Any] = {"reference": "freed"}
    ended: dict[str, Any] = {"ends": "cancelled", "lease": "ended", **freed}
    return [
        *(Transition(state, "cancel", CANCELLED, "true", asked=True, **freed) for state in WAITING),
        Transition(CLAIMED, "cancel", CANCELLED, "true", asked=True, **ended),
        Transition(RUNNING, "cancel", STOPPING, "true", asked=True),
        Transition(STOPPING, "complete", COMPLETED, "COMPLETED", lease="ended"),
        *(
            Transition(STOPPING, operation, CANCELLED, "CANCELLED", **ended)
            for operation in ("fail", "fail for business", "release")
        ),
        Transition(STOPPING, "heartbeat without it", CANCELLED, "done", **ended),
        Transition(STOPPING, "upkeep", CANCELLED, "done", when=("lease ran out",), crash=True, **ended),
    ]


TRANSITIONS: tuple[Transition, ...] = (
    *_enqueued(),
    *_claimed(),
    Transition(DUE, "upkeep", READY, "done", place="at the end"),
    Transition(CLAIMED, "start", RUNNING, "started"),
    *(Transition(s, "heartbeat", s, "asked" if s is STOPPING else "kept", lease="extended") for s in HELD),
    *(
        Transition(s, "upkeep", s, "done", when=("lease ran out", "nobody passed for 10 s"), lease="extended")
        for s in HELD
    ),
    *_settled(CLAIMED),
    *_settled(RUNNING),
    *_expired(CLAIMED),
    *_expired(RUNNING),
    *_cancelled(),
    *(Transition(s, "purge", ABSENT, "1", reference="freed") for s in WAITING),
    Transition(DEAD, "redrive", READY, "redriven", attempt="0", place="at the end"),
)


@dataclass(frozen=True)
class Refusal:
    """An operation that changes nothing of the job in this state, and what it answers."""

    state: State
    operation: str
    answer: str
    when: tuple[str, ...] = ()


def _refused(operations: str, answer: str, *states: State, when: tuple[str, ...] = ()) -> list[Refusal]:
    return [Refusal(state, operation, answer, when) for operation in operations.split(", ") for state in states]


_NOT_HELD = (ABSENT, *WAITING, *ENDED)
_KNOWN = tuple(State)[1:]

REFUSALS: tuple[Refusal, ...] = (
    *_refused("enqueue again", "enqueued", *_KNOWN),
    *_refused("enqueue same reference", "DuplicateReference", *(s for s in _KNOWN if s is not CANCELLED)),
    *_refused("enqueue same reference", "enqueued", ABSENT, CANCELLED),
    *_refused("claim, claim and start", "nothing", ABSENT, DEFERRED, *HELD, *ENDED),
    *_refused("claim, claim and start", "nothing", READY, DUE, when=("the robot does not fit",)),
    *_refused("claim, claim and start", "nothing", READY, DUE, when=("the queue is paused",)),
    *_refused("start", "started", RUNNING, STOPPING),
    *_refused("start, complete, fail, fail for business, release", "LeaseLost", *_NOT_HELD),
    *_refused("settle again", "PENDING", *_KNOWN),
    *_refused("settle again", "LeaseLost", ABSENT),
    *_refused("heartbeat", "lost", *_NOT_HELD),
    *_refused("heartbeat", "kept", RUNNING, when=("time limit reached",)),
    *_refused("heartbeat without it", "done", *_NOT_HELD),
    *_refused("upkeep", "done", ABSENT, READY, DEFERRED, *HELD, *ENDED),
    *_refused("cancel", "true", STOPPING),
    *_refused("cancel", "false", *ENDED),
    *_refused("cancel", "JobNotFound", ABSENT),
    *_refused("purge", "0", ABSENT, *HELD, *ENDED),
    *_refused("redrive", "nothing", *(s for s in State if s is not DEAD)),
    *_refused("pause, resume", "done", *State),
)

UNDEFINED = frozenset((state, "enqueue") for state in _KNOWN)
"""A new job has an id that no job has had, so there is nothing to say about enqueuing one that is known."""
