"""`JobEvent`: what becomes of a job, as it is told to those who follow it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter

from casare_rpa.infrastructure.queue.models import JobModel, JobStatus

EventName = Literal[
    "enqueued",
    "claimed",
    "started",
    "completed",
    "failed",
    "business",
    "released",
    "expired",
    "cancel_requested",
    "cancelled",
    "redriven",
    "retried",
    "resolved",
    "snapshot",
    "following",
    "gap",
]


class JobEvent(BaseModel):
    """A step in a job's life, or what a follower must know about what it hears.

    Attributes:
        event: ``enqueued``, ``claimed``, ``started``, ``cancel_requested``, ``redriven``, ``retried``, ``resolved``, or how an
            attempt ended: ``completed``, ``failed``, ``business``, ``released``, ``expired``, ``cancelled``. Beside these:
            ``snapshot``, what a job is when following it begins, or when that was all there was to see; ``following``, from
            here on a queue is followed; and ``gap``, events of a queue are missing here.
        job_id: the job; None for ``following`` and ``gap``.
        queue_name: its queue.
        status: what the job is now.
        attempt: the number of the attempt, 0 before the first.
        robot: who ran the attempt, or runs it.
        at: when, by the database's clock.

    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event: EventName
    job_id: UUID | None = None
    queue_name: str | None = None
    status: JobStatus | None = None
    attempt: int | None = None
    robot: str | None = None
    at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended with this."""
        return self.status is not None and self.status.is_final


_messages = TypeAdapter(list[JobEvent])


def events_of(message: str) -> list[JobEvent]:
    """Return the events of a notification.

    Raises:
        ValueError: it is no list of events.

    """
    return _messages.validate_json(message)


def seen(job: JobModel, event: EventName = "snapshot") -> JobEvent:
    """Return an event that says what a job is that was looked up."""
    at = job.finished_at or job.started_at or job.claimed_at or job.created_at
    return JobEvent(
        event=event,
        job_id=job.id,
        queue_name=job.queue_name,
        status=job.status,
        attempt=job.attempt,
        robot=job.claimed_by,
        at=at,
    )
