"""How an attempt ends, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

Outcome = Literal["completed", "failed", "business", "released"]


class Settlement(NamedTuple):
    """The end of one attempt: its lease, its outcome, and what goes with it (the result is JSON text)."""

    job_id: UUID
    token: UUID
    outcome: Outcome
    result: str | None = None
    error: str | None = None
    retry_in: float | None = None
