"""Rows as `Calls` answers them: the names and types that PostgreSQL's rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.calls import ClaimedRow
from casare_rpa.orchestrator.memory.shapes import error_shape

if TYPE_CHECKING:
    from casare_rpa.orchestrator.memory.records import Job

_OF_A_FOUND_JOB = (
    *("id", "seq", "status", "workflow", "payload", "priority", "queue_name", "tenant_id", "metadata", "reference"),
    *("run_at", "max_retries", "retry_delay", "visibility_timeout", "time_limit", "on_crash", "attempt", "created_at"),
    *("claimed_at", "started_at", "lease_expires_at", "error"),
    *("crashes", "claimed_by", "finished_at", "cancel_requested_at", "result", "reason"),
)
_OF_A_CLAIM = [name for name in ClaimedRow._fields if name not in ("route_id", "tags", "requirements")]


def claimed_row(job: Job) -> ClaimedRow:
    """Return the row of a job that was just claimed."""
    row = {name: getattr(job, name) for name in _OF_A_CLAIM}
    return ClaimedRow(**row, **_copies(job), route_id=job.route.number)


def found_row(job: Job) -> dict[str, Any]:
    """Return the row of a job that was looked up."""
    row = {name: getattr(job, name) for name in _OF_A_FOUND_JOB}
    return {**row, **_copies(job)}


def listed_row(job: Job) -> dict[str, Any]:
    """Return the row of a job in a list: also what a dead letter has beside the others."""
    return {
        **found_row(job),
        "error_shape": None if job.reason is None else error_shape(job.error),
        "assigned_to": job.assigned_to,
    }


def _copies(job: Job) -> dict[str, Any]:
    """What the reader may change without changing the queue."""
    return {"tags": list(job.tags) if job.tags else None, "requirements": job.route.requirements}
