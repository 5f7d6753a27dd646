"""What is done to a page of what matches: `cancel_jobs`, `redrive_dead_letters` and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.orchestrator.memory.actions import record
from casare_rpa.orchestrator.memory.cancelling import cancel
from casare_rpa.orchestrator.memory.dead_letters import redrive
from casare_rpa.orchestrator.memory.matching import matching, page_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casare_rpa.infrastructure.queue.calls import BulkPage
    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store

    Rows = list[dict[str, Any]]


def cancel_jobs(store: Store, where: str, page: BulkPage) -> Rows:
    """Cancel those that have not ended and were not asked to stop yet."""
    jobs = (job for job in store.jobs.values() if job.cancel_requested_at is None)
    return _do(jobs, where, page, lambda job: cancel(store, job))


def retry_jobs(store: Store, where: str, page: BulkPage) -> Rows:
    """Redrive dead letters; let jobs that wait for another attempt be ready now, in the order in which they would be due."""
    waiting = (job for job in store.jobs.values() if job.status == "PENDING" and job.deferred and job.attempt > 0)

    def retry(job: Job) -> None:
        if job.id in store.dead:
            redrive(store, job)
            return
        job.deferred, job.run_at, job.seq = False, store.clock.now(), store.next_place()
        store.put(job)
        record(store, job.id, "retried")
        store.events.emit("retried", [job])
        store.hub.announce(job.queue_name, 1)

    return _do((*waiting, *store.dead.values()), where, page, retry, order=_due)


def set_priority(store: Store, where: str, priority: int, page: BulkPage) -> Rows:
    """Give PENDING jobs another priority; they keep their places."""
    waiting = (job for job in store.jobs.values() if job.status == "PENDING" and job.priority != priority)

    def move(job: Job) -> None:
        record(store, job.id, "prioritised", detail={"from": job.priority, "to": priority})
        job.route = store.route(job.queue_name, job.tenant_id, job.route.requirements, priority)
        store.put(job)

    return _do(waiting, where, page, move)


def redrive_dead_letters(store: Store, where: str, page: BulkPage) -> Rows:
    """Put dead letters back into their queues."""
    return _do(store.dead.values(), where, page, lambda job: redrive(store, job))


def resolve_dead_letters(store: Store, where: str, comment: str, page: BulkPage) -> Rows:
    """Move dead letters to history as FAILED."""

    def resolve(job: Job) -> None:
        was = {"reason": job.reason, "died_at": job.finished_at, "assigned_to": job.assigned_to}
        record(store, job.id, "resolved", comment, was)
        store.events.emit("resolved", [job])
        del store.dead[job.id]
        job.assigned_to, job.reason, job.finished_at = None, None, store.clock.now()
        store.history[job.id] = job

    return _do(store.dead.values(), where, page, resolve)


def assign_dead_letters(store: Store, where: str, to: str | None, page: BulkPage) -> Rows:
    """Say who looks after dead letters; those that are assigned so already are left out."""
    others = (job for job in store.dead.values() if job.assigned_to != to)

    def assign(job: Job) -> None:
        record(store, job.id, "assigned", detail={"from": job.assigned_to, "to": to})
        job.assigned_to = to

    return _do(others, where, page, assign)


def purge_dead_letters(store: Store, where: str, page: BulkPage) -> Rows:
    """Remove dead letters without a trace."""

    def purge(job: Job) -> None:
        del store.dead[job.id]
        store.forget(job)

    return _do(store.dead.values(), where, page, purge)


def _due(job: Job) -> tuple[bool, Any, int]:
    return job.reason is not None, job.run_at if job.reason is None else job.id, job.seq


def _do(
    jobs: Iterable[Job],
    where: str,
    page: BulkPage,
    act: Callable[[Job], None],
    order: Callable[[Job], Any] = lambda job: job.id,
) -> Rows:
    """Do something to those of these jobs that match, a page of them, and return their ids and then a note."""
    found, resume_after = page_of(matching(jobs, where), page.limit, page.after)
    rows = [{"id": job.id} for job in sorted(found, key=lambda job: (job.reason is not None, job.id))]
    if not page.dry_run:
        for job in sorted(found, key=order):
            act(job)
    return [*rows, {"id": None, "resume_after": resume_after}]
