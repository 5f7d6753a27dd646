"""Looks at queues, and an administrator's calls on them: `list_queues`, `purge_queue`, `pause_queue`, `resume_queue`."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from casare_rpa.orchestrator.memory.actions import actor
from casare_rpa.orchestrator.memory.lookups import is_due
from casare_rpa.orchestrator.memory.records import Pause

if TYPE_CHECKING:
    from datetime import datetime

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store

EVERYBODY = 1000
"""Jobs that a resumed queue is announced with: all of its robots look."""


def list_queues(store: Store, queue: str | None) -> list[dict[str, Any]]:
    """Return what there is of every queue, or of one.

    Raises:
        QueueNotFound: there is no such queue.

    """
    if queue is not None:
        store.check_queue_known(queue)
    return [_info(store, name) for name in (store.queues if queue is None else [queue])]


def _info(store: Store, queue: str) -> dict[str, Any]:
    now = store.clock.now()
    jobs = [job for job in store.jobs.values() if job.queue_name == queue]
    waiting = [job for job in jobs if job.status == "PENDING"]
    due = [job for job in waiting if is_due(job, now)]
    heads = [head for route in store.routes_of(queue) for head in (route.first_ready(), route.first_deferred()) if head]
    oldest = min((max(job.created_at, job.run_at or job.created_at) for job in heads if is_due(job, now)), default=None)
    # Both are in the order in which their jobs ended.
    lately = [
        job
        for place in (store.history, store.dead)
        for job in takewhile(lambda job: _is_lately(job, now), reversed(place.values()))
        if job.queue_name == queue
    ]
    pause = store.paused.get(queue)
    return {
        "queue_name": queue,
        "waiting": len(waiting),
        "due": len(due),
        "deferred": len(waiting) - len(due),
        "claimed": sum(job.status == "CLAIMED" for job in jobs),
        "running": sum(job.status == "RUNNING" for job in jobs),
        "dead_letters": sum(job.queue_name == queue for job in store.dead.values()),
        "oldest_due_at": oldest,
        "oldest_seconds": oldest and (now - oldest).total_seconds(),
        "completed_per_minute": sum(job.status == "COMPLETED" for job in lately),
        "failed_per_minute": sum(job.status == "FAILED" for job in lately),
        "paused_at": pause and pause.at,
        "paused_by": pause and pause.by,
        "estimated": False,
    }


def _is_lately(job: Job, now: datetime) -> bool:
    return job.finished_at is not None and job.finished_at > now - timedelta(minutes=1)


def purge_queue(store: Store, queue: str) -> int:
    """Remove the PENDING jobs of a queue without a trace, references included, and return how many.

    Raises:
        QueueNotFound: there has never been a job in it; so raise the others.

    """
    store.check_queue_known(queue)
    waiting = [job for job in store.jobs.values() if job.queue_name == queue and job.status == "PENDING"]
    for job in waiting:
        store.remove(job)
        job.status = "PURGED"  # its route's lines pass over it
        store.forget(job)
    return len(waiting)


def pause_queue(store: Store, queue: str) -> None:
    """Let no job of a queue be claimed; pausing twice keeps the first."""
    store.check_queue_known(queue)
    store.paused.setdefault(queue, Pause(store.clock.now(), actor()))


def resume_queue(store: Store, queue: str) -> None:
    """Let jobs of a queue be claimed again and wake its robots."""
    store.check_queue_known(queue)
    store.paused.pop(queue, None)
    store.hub.announce(queue, EVERYBODY)
