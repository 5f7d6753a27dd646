"""What is done with dead letters: `redrive_jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store


def redrive_jobs(store: Store, ids: Sequence[UUID]) -> list[UUID]:
    """Put dead letters back into their queues and return the ids of those that were."""
    dead = sorted({job_id for job_id in ids if job_id in store.dead})
    for job_id in dead:
        redrive(store, store.dead[job_id])
    return dead


def redrive(store: Store, job: Job) -> None:
    """Put one dead letter back: same id, same reference, attempts from 1 again, crashes counted on."""
    del store.dead[job.id]
    job.status, job.attempt, job.seq, job.deferred = "PENDING", 0, store.next_place(), False
    job.run_at = job.claimed_by = job.claimed_at = job.started_at = job.finished_at = job.reason = None
    store.put(job)
    store.hub.announce(job.queue_name, 1)
