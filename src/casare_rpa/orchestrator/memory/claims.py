"""Hands out jobs: `claim_jobs` and `start_jobs`."""

from __future__ import annotations

import heapq
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from casare_rpa.foundation.errors import InvalidJob
from casare_rpa.infrastructure.queue.calls import ClaimReply
from casare_rpa.orchestrator.memory.containment import contains
from casare_rpa.orchestrator.memory.rows import claimed_row
from casare_rpa.orchestrator.memory.store import later
from casare_rpa.orchestrator.memory.upkeep import promote_jobs, upkeep_if_overdue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from casare_rpa.infrastructure.queue.calls import ClaimArguments
    from casare_rpa.orchestrator.memory.records import Job, Route
    from casare_rpa.orchestrator.memory.store import Store


def claim_jobs(store: Store, claim: ClaimArguments) -> ClaimReply:
    """Claim up to `limit` jobs for one robot: highest priority first, then in order of their places.

    Raises:
        InvalidJob: the limit, the timeout or the robot's name cannot be.

    """
    check_claim(claim)
    now = store.clock.now()
    routes = _routes(store, claim)
    if claim.look_back and routes:
        upkeep_if_overdue(store, now)
        promote_jobs(store, routes, now)
    jobs = [_lease(job, claim, store, now) for _, job in zip(range(claim.limit), _ready(routes), strict=False)]
    store.events.emit("started" if claim.start else "claimed", jobs)
    next_due = None
    if claim.look_back and len(jobs) < claim.limit:
        deferred = [job.run_at for route in routes if (job := route.first_deferred()) and job.run_at]
        next_due = min(deferred, default=None)
    # Floors need no transactions here: there are no dead entries to keep from walking over.
    return ClaimReply([claimed_row(job) for job in jobs], [], now, None, 0, next_due)


def start_jobs(store: Store, ids: Sequence[UUID], tokens: Sequence[UUID]) -> list[dict[str, Any]]:
    """CLAIMED -> RUNNING for jobs held under these tokens; return those that run now. Again, it changes nothing."""
    now = store.clock.now()
    held = [job for pair in zip(ids, tokens, strict=True) if (job := store.held_under(*pair)) is not None]
    begun = [job for job in held if job.started_at is None]
    for job in begun:
        job.status, job.started_at = "RUNNING", now
    store.events.emit("started", begun)
    return [{"id": job.id, "started_at": job.started_at} for job in held]


def check_claim(claim: ClaimArguments) -> None:
    """Raise `InvalidJob` unless these arguments can be."""
    if not (1 <= claim.limit <= 10_000 and 0.1 <= claim.visibility_timeout <= 1e6 and 1 <= len(claim.robot) <= 200):
        raise InvalidJob(
            "a claim is for 1 to 10000 jobs, with a visibility timeout of 0.1 to 1000000 seconds, by a robot with a name of "
            "1 to 200 characters"
        )


def _routes(store: Store, claim: ClaimArguments) -> list[Route]:
    """Return the routes whose jobs this robot may have now."""
    if claim.queue in store.paused:
        return []
    offers = json.loads(claim.offers)
    return [route for route in store.routes_of(claim.queue) if contains(offers, route.needs)]


def _ready(routes: list[Route]) -> Iterator[Job]:
    """Yield ready jobs in order; each must have left its route before the next is asked for."""
    heads = [(-route.priority, job.seq, route.number, route) for route in routes if (job := route.first_ready())]
    heapq.heapify(heads)
    while heads:
        _, _, _, route = heads[0]
        job = route.first_ready()
        if job is not None:
            yield job
            job = route.first_ready()
        if job is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (-route.priority, job.seq, route.number, route))


def _lease(job: Job, claim: ClaimArguments, store: Store, now: datetime) -> Job:
    job.status = "RUNNING" if claim.start else "CLAIMED"
    job.attempt += 1
    job.claimed_by, job.incarnation, job.request = claim.robot, claim.incarnation, claim.request
    job.lease_token = uuid4()
    job.claimed_at, job.started_at = now, now if claim.start else None
    job.lease_seconds = job.visibility_timeout or claim.visibility_timeout
    job.lease_expires_at = later(now, job.lease_seconds)
    store.put(job)
    return job
