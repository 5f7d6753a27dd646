"""What is done with dead letters: `find_dead_letters`, `group_dead_letters`, `edit_payload`, `redrive_jobs`."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import JobNotFound, NotADeadLetter
from casare_rpa.orchestrator.memory.actions import check_room, record
from casare_rpa.orchestrator.memory.matching import matching
from casare_rpa.orchestrator.memory.rows import listed_row
from casare_rpa.orchestrator.memory.shapes import error_shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store


def find_dead_letters(
    store: Store, where: str, limit: int, after_time: datetime | None, after: UUID | None
) -> list[dict[str, Any]]:
    """Return a page of the dead letters that match, the latest death first, and then a note on where the next one goes on."""
    letters = (
        job
        for job in matching(store.dead.values(), where)
        if after_time is None or after is None or _death(job) < (after_time, after)
    )
    page = heapq.nlargest(limit + 1, letters, key=_death)
    last = page[limit - 1] if len(page) > limit else None
    note = {"id": None, "resume_after": last and last.id, "finished_at": last and last.finished_at}
    return [*map(listed_row, page[:limit]), {**note, "examined": len(store.dead)}]


def group_dead_letters(store: Store, where: str, limit: int) -> list[dict[str, Any]]:
    """Return the dead letters that match in groups that failed alike, the biggest first, and then a note."""
    groups: dict[tuple[str, str, str, str], list[Job]] = defaultdict(list)
    for job in sorted(matching(store.dead.values(), where), key=_death):
        groups[job.queue_name, job.workflow, job.reason or "", error_shape(job.error)].append(job)
    rows = sorted((_group(*item) for item in groups.items()), key=_size, reverse=True)
    note = {"queue_name": None, "complete": len(rows) <= limit, "examined": len(store.dead)}
    return [*rows[:limit], note]


def edit_payload(store: Store, job_id: UUID, payload: str, comment: str | None) -> None:
    """Give a dead letter another payload; the old one stays in its actions.

    Raises:
        JobNotFound: there is no such job.
        NotADeadLetter: it is something else.
        InvalidJob: it has taken all the edits that it may.

    """
    job = store.find(job_id)
    if job is None:
        raise JobNotFound(job_id)
    if job_id not in store.dead:
        closed = " and closed" if job.status == "FAILED" else ""
        raise NotADeadLetter(f"job {job_id} is no dead letter: it is {job.status}{closed}")
    check_room(store, job_id)
    record(store, job_id, "edited", comment, {"payload": json.loads(job.payload)})
    job.payload = payload


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
    job.run_at = job.claimed_by = job.claimed_at = job.started_at = job.finished_at = job.reason = job.assigned_to = (
        None
    )
    store.put(job)
    record(store, job.id, "redriven")
    store.hub.announce(job.queue_name, 1)
    store.events.emit("redriven", [job])


def _death(job: Job) -> tuple[Any, UUID]:
    return job.finished_at, job.id


def _size(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["count"], row["last_at"], row["example_id"]


def _group(key: tuple[str, str, str, str], jobs: list[Job]) -> dict[str, Any]:
    queue_name, workflow, reason, shape = key
    return {
        "queue_name": queue_name,
        "workflow": workflow,
        "reason": reason,
        "shape": shape,
        "count": len(jobs),
        "first_at": jobs[0].finished_at,
        "last_at": jobs[-1].finished_at,
        "example_id": jobs[-1].id,
        "assigned_to": sorted({job.assigned_to for job in jobs if job.assigned_to}),
    }
