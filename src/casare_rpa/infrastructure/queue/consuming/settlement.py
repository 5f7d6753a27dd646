"""How an attempt ends, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

Outcome = Literal["completed", "failed", "business", "released"]


class Ending(NamedTuple):
    """The outcome of an attempt, and what goes with it (the result is JSON text)."""

    outcome: Outcome
    result: str | None = None
    error: str | None = None
    retry_in: float | None = None


class Settlement(NamedTuple):
    """The end of one attempt: its lease, then its `Ending`."""

    job_id: UUID
    token: UUID
    outcome: Outcome
    result: str | None = None
    error: str | None = None
    retry_in: float | None = None

    @classmethod
    def of(cls, job_id: UUID, token: UUID, ending: Ending) -> Settlement:
        """Return the settlement of a lease whose attempt ended so."""
        return cls(job_id, token, ending.outcome, ending.result, ending.error, ending.retry_in)


COMPLETED = Ending("completed")
RELEASED = Ending("released")
