"""Looks jobs up: `find_job`, `find_jobs`, `find_ended`, `find_attempts`, `find_actions`, `queue_depth`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import JobNotFound
from casare_rpa.orchestrator.memory.matching import everything_matching, page_of
from casare_rpa.orchestrator.memory.rows import found_row, listed_row

if TYPE_CHECKING:
    from collections.abc import Sequence
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


def find_jobs(store: Store, where: str, limit: int, after: UUID | None) -> list[dict[str, Any]]:
    """Return a page of the jobs that match, newest id first, and then a note on where the next one goes on."""
    page, resume_after = page_of(everything_matching(store, where), limit, after)
    return [*map(listed_row, page), {"id": None, "resume_after": resume_after, "examined": store.size}]


def count_jobs(store: Store, where: str) -> dict[str, Any]:
    """Return how many jobs match."""
    count = sum(1 for _ in everything_matching(store, where))
    return {"count": count, "examined": store.size, "resume_after": None}


def find_actions(store: Store, job_id: UUID) -> list[dict[str, Any]]:
    """Return what was done to a job by hand, oldest first.

    Raises:
        JobNotFound: there is no such job.

    """
    if store.find(job_id) is None:
        raise JobNotFound(job_id)
    return [asdict(action) for action in store.actions.get(job_id, ())]


def find_ended(store: Store, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the rows of those jobs that have ended; a row without a status is an id without a job."""
    rows = []
    for job_id in ids:
        job = store.find(job_id)
        if job is None:
            rows.append({"id": job_id, "status": None})
        elif job_id not in store.jobs:
            rows.append(found_row(job))
    return rows


def queue_depth(store: Store, queue: str) -> int:
    """Return how many jobs of a queue are PENDING and due."""
    now = store.clock.now()
    return sum(job.queue_name == queue and job.status == "PENDING" and is_due(job, now) for job in store.jobs.values())


def is_due(job: Job, now: datetime) -> bool:
    """Return whether a waiting job may be claimed now."""
    return not job.deferred or (job.run_at is not None and job.run_at <= now)
