"""What must be done as time passes: `upkeep`, `expire_leases`, `promote_jobs`, and the end of the retention."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from casare_rpa.orchestrator.memory.settlements import end_attempt
from casare_rpa.orchestrator.memory.store import later

if TYPE_CHECKING:
    from datetime import datetime

    from casare_rpa.orchestrator.memory.records import Job, Route
    from casare_rpa.orchestrator.memory.store import Store

OUTAGE = timedelta(seconds=8)
"""A gap between passes that robots could not have bridged: the process was stopped, or the machine slept."""
OVERDUE = timedelta(seconds=2)
AT_MOST_EVERY = timedelta(seconds=0.9)
TIDY_EVERY = timedelta(hours=1)
ROBOTS_KEPT = timedelta(minutes=10)


def upkeep(store: Store, *, force: bool = False) -> float:
    """Do one pass, at most once a second unless forced, and return the seconds until the next."""
    now = store.clock.now()
    if force or store.passed_at <= now - AT_MOST_EVERY:
        _pass(store, now)
        _forget(store, now)
    return 1.0


def time_passed(store: Store) -> None:
    """Do what a time brings during which the upkeep was done all along."""
    store.passed_at = store.clock.now()
    upkeep(store, force=True)


def upkeep_if_overdue(store: Store, now: datetime) -> None:
    """The upkeep inside a claim, when nobody has come round for two seconds."""
    if store.passed_at < now - OVERDUE:
        _pass(store, now)


def promote_jobs(store: Store, routes: list[Route], now: datetime) -> int:
    """Make the due jobs of these routes ready and return how many; each takes its place when it is due."""
    promoted = 0
    for route in routes:
        while (job := route.first_deferred()) and job.run_at and job.run_at <= now:
            job.deferred, job.seq = False, store.next_place()
            store.put(job)
            promoted += 1
    return promoted


def _pass(store: Store, now: datetime) -> None:
    gap, store.passed_at = now - store.passed_at, now
    store.events.forget()
    if gap > OUTAGE:
        for job in store.held.values():
            _make_up_for(job, gap, now)
    for job in sorted((job for job in store.held.values() if _ran_out(job, now)), key=lambda job: job.id):
        end_attempt(store, job, now, "expired", _explain(job))
    for queue in store.queues:
        if promoted := promote_jobs(store, store.routes_of(queue), now):
            store.hub.announce(queue, promoted)


def _make_up_for(job: Job, gap: timedelta, now: datetime) -> None:
    """Add the gap to a lease, which gets no more than its full length."""
    if job.lease_expires_at is not None:
        full = later(now, job.lease_seconds or 0.0)
        job.lease_expires_at = max(job.lease_expires_at, min(job.lease_expires_at + gap, full))


def _ran_out(job: Job, now: datetime) -> bool:
    return job.lease_expires_at is not None and job.lease_expires_at < now


def _explain(job: Job) -> str:
    length = repr(float(job.lease_seconds or 0.0)).removesuffix(".0")
    return f"the visibility timeout of {length} s ran out without a heartbeat from {job.claimed_by}"


def _forget(store: Store, now: datetime) -> None:
    """Forget history past the retention, with its references and attempts, and robots that were not seen for long."""
    oldest = now - store.retention
    for job in list(store.history.values()):
        if job.finished_at is None or job.finished_at >= oldest:
            break  # the others ended later
        del store.history[job.id]
        store.forget(job)
    if store.tidied_at < now - TIDY_EVERY:
        store.tidied_at = now
        for queue in store.queues:
            for route in store.routes_of(queue):
                route.tidy()
    for incarnation, robot in list(store.robots.items()):
        if robot.seen_at < now - ROBOTS_KEPT:
            del store.robots[incarnation]
