"""Cancels jobs: `cancel_job` and `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import JobNotFound
from casare_rpa.orchestrator.memory.actions import record
from casare_rpa.orchestrator.memory.settlements import archive, end_attempt

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store


def cancel_job(store: Store, job_id: UUID) -> bool:
    """Cancel a job now, or ask the robot of one that runs to stop; return False when it has ended already.

    Raises:
        JobNotFound: there is no such job.

    """
    job = store.jobs.get(job_id)
    if job is None:
        if store.find(job_id) is None:
            raise JobNotFound(job_id)
        return False
    cancel(store, job)
    return True


def cancel(store: Store, job: Job) -> None:
    """Cancel a job that has not ended."""
    now, incarnation, asked = store.clock.now(), job.incarnation, job.cancel_requested_at
    if asked is None:
        record(store, job.id, "cancelled")
        job.cancel_requested_at = now
    if job.status == "CLAIMED":
        end_attempt(store, job, now, "released")
    elif job.status == "PENDING":
        archive(store, job, now, "CANCELLED")
    elif asked is None:
        store.events.emit("cancel_requested", [job])
    store.hub.call(incarnation)
