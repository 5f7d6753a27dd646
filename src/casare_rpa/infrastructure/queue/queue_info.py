"""`QueueInfo`: how a queue is doing."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class QueueInfo(BaseModel):
    """How a queue was doing at one moment, as far as this login may see it.

    Attributes:
        queue_name: its name.
        waiting: jobs that are PENDING: `due` and `deferred` together.
        due: those that a robot could claim at once, were the queue not paused.
        deferred: those that wait for their time.
        claimed: jobs that a robot holds and has not started.
        running: jobs that a robot runs.
        dead_letters: jobs that failed for good and wait for a person.
        oldest_due_at: since when the job at the head of the line has been due: since it was enqueued, or since its time or its
            pause before a retry was over. None when no job is due.
        oldest_seconds: how long ago that was, by the database's clock.
        completed_per_minute: jobs that completed within the last 60 seconds.
        failed_per_minute: jobs that failed for good within the last 60 seconds.
        paused_at: when the queue was paused; None when it is not.
        paused_by: the database login that paused it.
        estimated: whether any of the numbers is an estimate. Up to some 25,000 jobs in the database they are exact.

    """

    model_config = ConfigDict(frozen=True)

    queue_name: str
    waiting: int
    due: int
    deferred: int
    claimed: int
    running: int
    dead_letters: int
    oldest_due_at: datetime | None
    oldest_seconds: float | None
    completed_per_minute: int
    failed_per_minute: int
    paused_at: datetime | None
    paused_by: str | None
    estimated: bool

    @property
    def is_paused(self) -> bool:
        """Whether the queue hands out no jobs at present."""
        return self.paused_at is not None
