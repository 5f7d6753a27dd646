"""Looks jobs up: `find_job`, `find_attempts`, `list_jobs`, `list_dead_letters`, `queue_depth`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import JobNotFound
from casare_rpa.orchestrator.memory.rows import found_row

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store


def find_job(store: Store, job_id: UUID) -> dict[str, Any] | None:
    """Return the row of a job wherever it is, or None."""
    job = store.find(job_id)
    return None if job is None else found_row(job)


def find_attempts(store: Store, job_id: UUID) -> list[dict[str, Any]]:
    """Return every ended attempt of a job, oldest first.

    Raises:
        JobNotFound: there is no such job.

    """
    job = store.find(job_id)
    if job is None:
        raise JobNotFound(job_id)
    names = ("attempt", "robot", "claimed_at", "started_at", "ended_at", "outcome", "error")
    rows = [{name: getattr(attempt, name) for name in names} for attempt in store.attempts.get(job_id, ())]
    if job.status == "COMPLETED":
        last = (job.attempt, job.claimed_by, job.claimed_at, job.started_at, job.finished_at, "completed", None)
        rows.append(dict(zip(names, last, strict=True)))
    return sorted(rows, key=lambda row: (row["ended_at"], row["attempt"]))


def queue_depth(store: Store, queue: str) -> int:
    """Return how many jobs of a queue are PENDING and due."""
    now = store.clock.now()
    return sum(job.queue_name == queue and job.status == "PENDING" and is_due(job, now) for job in store.jobs.values())


def is_due(job: Job, now: datetime) -> bool:
    """Return whether a waiting job may be claimed now."""
    return not job.deferred or (job.run_at is not None and job.run_at <= now)
