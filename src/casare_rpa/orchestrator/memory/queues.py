"""An administrator's calls on queues: `purge_queue`, `pause_queue`, `resume_queue`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from casare_rpa.orchestrator.memory.records import Pause

if TYPE_CHECKING:
    from casare_rpa.orchestrator.memory.store import Store

EVERYBODY = 1000
"""Jobs that a resumed queue is announced with: all of its robots look."""


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
        store.attempts.pop(job.id, None)
        store.free_reference(job)
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


def actor() -> str:
    """Return who acts: the user that this process runs as, for there are no logins here."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return "unknown"
