"""Keeps leases alive and tells a robot what it has lost: `heartbeat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.orchestrator.memory.records import Robot
from casare_rpa.orchestrator.memory.settlements import end_attempt
from casare_rpa.orchestrator.memory.store import later

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store


def heartbeat(
    store: Store,
    robot: str,
    incarnation: UUID,
    queue: str,
    held: dict[UUID, UUID],
    ceiling: int,
    in_flight: Sequence[int],
) -> dict[str, Any]:
    """Extend every lease a robot holds, take back what it does not know of, and say what it lost and is asked to cancel."""
    now = store.clock.now()
    leases = {job_id: store.held_under(job_id, token) for job_id, token in held.items()}
    for job in leases.values():
        if job is not None:
            _extend(job, now)
    for orphan in [
        job
        for job in store.held.values()
        if job.incarnation == incarnation
        and job.request is not None
        and job.request <= ceiling
        and job.request not in in_flight
        and job.lease_token not in held.values()
    ]:
        end_attempt(store, orphan, now, "released")
    store.robots[incarnation] = Robot(robot, queue, now)
    return {
        "lost": [job_id for job_id, job in leases.items() if job is None],
        "cancelled": [job_id for job_id, job in leases.items() if job is not None and job.cancel_requested_at],
        "fleet": store.fleet(queue),
    }


def _extend(job: Job, now: datetime) -> None:
    """No lease outlives the job's time limit by more than its own length: a hung handler is not kept alive for ever."""
    length = job.lease_seconds or 0.0
    job.lease_expires_at = later(now, length)
    if job.time_limit is not None and job.started_at is not None:
        job.lease_expires_at = min(job.lease_expires_at, later(job.started_at, job.time_limit + length))
