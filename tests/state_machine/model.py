"""What a queue must do, in plain Python: the specification of a job's life that the real queue is compared with.

It knows nothing of tables. Every method changes the model as the operation of the same name changes the queue, and returns or
raises what that must. Two things are left to the queue, within bounds: the jitter of a retry, and the order of jobs that one
pass of the upkeep sends to the end of the line together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import DuplicateReference, JobNotFound, JobStatus, LeaseLost, QueueNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

LONGEST_DELAY = 300.0
JITTER = 0.2
CRASHES = 3
"""Leases that may run out before a job is quarantined."""


@dataclass(frozen=True)
class Order:
    """What is enqueued."""

    queue: str = "invoices"
    tenant: str | None = None
    priority: int = 5
    needs: frozenset[str] = frozenset()
    reference: str | None = None
    run_at: datetime | None = None
    max_retries: int = 3
    retry_delay: float = 4.0
    visibility: float | None = None
    time_limit: float | None = None
    on_crash: str = "retry"
    dead_letters: bool = True

    @property
    def key(self) -> tuple[str | None, str, str | None]:
        return self.tenant, self.queue, self.reference


@dataclass(frozen=True)
class Place:
    """A place in the order of claims. Jobs that one pass sends to the end share a number; some of them are ordered by `due`."""

    number: int
    route: Any = None
    due: tuple[datetime, int] | None = None

    def is_before(self, other: Place) -> bool:
        if self.number != other.number:
            return self.number < other.number
        return self.due is not None and other.due is not None and self.route == other.route and self.due < other.due


@dataclass
class Lease:
    """One attempt: who holds it until when, and how it ended."""

    token: Any
    job_id: UUID
    robot: Any
    request: int
    seconds: float
    expires: datetime
    ended: str | None = None
    answer: JobStatus | None = None


@dataclass
class Job:
    """A job and where it is in its life."""

    order: Order
    place: Place
    status: JobStatus = JobStatus.PENDING
    ready: bool = True
    run_at: datetime | None = None
    run_at_range: tuple[datetime, datetime] | None = None
    attempt: int = 0
    crashes: int = 0
    asked: bool = False
    reason: str | None = None
    started: datetime | None = None
    lease: Lease | None = None


@dataclass
class Model:
    """A queue that does what it must."""

    now: datetime
    visibility: float
    outage: float
    passed: datetime = field(init=False)
    jobs: dict[UUID, Job] = field(default_factory=dict)
    purged: set[UUID] = field(default_factory=set)
    leases: dict[Any, Lease] = field(default_factory=dict)
    references: dict[tuple[str | None, str, str | None], UUID] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    _number: int = 0

    def __post_init__(self) -> None:
        self.passed = self.now

    def enqueue(self, job_id: UUID, order: Order, *, resent: bool) -> None:
        if resent and job_id in self.jobs:
            return
        if order.reference is not None:
            owner = self.references.setdefault(order.key, job_id)
            if owner != job_id:
                raise DuplicateReference(order.reference, owner)
        self.known.add(order.queue)
        ready = order.run_at is None or order.run_at <= self.now
        self.jobs[job_id] = Job(order, self._end_of_line(), ready=ready, run_at=order.run_at)
        self.purged.discard(job_id)

    def claimable(self, queue: str, offers: Iterable[str], tenant: str | None) -> dict[UUID, Job]:
        """The jobs that a claim may hand out to such a robot."""
        if queue in self.paused:
            return {}
        return {
            job_id: job
            for job_id, job in self.jobs.items()
            if job.status is JobStatus.PENDING
            and job.ready
            and job.order.queue == queue
            and job.order.needs <= set(offers)
            and tenant in {None, job.order.tenant}
        }

    def claim(self, claimable: dict[UUID, Job], lease: Lease, *, start: bool) -> None:
        """Take one job, which must be among the first of those that are left to claim."""
        job = claimable.pop(lease.job_id)
        for other_id, other in claimable.items():
            earlier = other.order.priority == job.order.priority and other.place.is_before(job.place)
            earlier = earlier or other.order.priority > job.order.priority
            assert not earlier, f"{other_id} comes before {lease.job_id}"
        assert lease.token not in self.leases, "a token is given out once"
        self.leases[lease.token] = lease
        lease.seconds = job.order.visibility or self.visibility
        lease.expires = self.now + timedelta(seconds=lease.seconds)
        job.lease, job.attempt = lease, job.attempt + 1
        job.status, job.started = (JobStatus.RUNNING, self.now) if start else (JobStatus.CLAIMED, None)

    def start(self, token: Any) -> None:
        job = self._held(token)
        if job.status is JobStatus.CLAIMED:
            job.status, job.started = JobStatus.RUNNING, self.now

    def settle(self, token: Any, outcome: str, retry_in: float | None, *, dead_letters: bool) -> JobStatus:
        lease = self.leases[token]
        if lease.ended is not None:
            return self._settled_before(lease, outcome)
        job = self._held(token)
        if outcome == "completed":
            return self._end(job, "completed", JobStatus.COMPLETED)
        return self._end_attempt(job, outcome, retry_in, dead_letters=dead_letters)

    def heartbeat(self, robot: Any, held: dict[UUID, Any], in_flight: set[int]) -> tuple[set[UUID], set[UUID]]:
        """Return what is lost and what is asked to be cancelled."""
        lost, asked = set(), set()
        for job_id, token in held.items():
            job, lease = self.jobs.get(job_id), self.leases[token]
            if job is None or job.lease is not lease:
                lost.add(job_id)
                continue
            lease.expires = self.now + timedelta(seconds=lease.seconds)
            if job.started is not None and job.order.time_limit is not None:
                longest = job.started + timedelta(seconds=job.order.time_limit + lease.seconds)
                lease.expires = min(lease.expires, longest)
            if job.asked:
                asked.add(job_id)
        for job in self.jobs.values():
            orphan = job.lease is not None and job.lease.robot == robot and job.lease.request not in in_flight
            if orphan and job.lease is not None and job.lease.token not in held.values():
                self._end_attempt(job, "released")
        return lost, asked

    def upkeep(self) -> None:
        gap = self.now - self.passed
        self.passed = self.now
        held = [job for job in self.jobs.values() if job.lease is not None]
        if gap > timedelta(seconds=self.outage):
            for job in held:
                self._make_up_for(gap, job)
        together = self._end_of_line()
        for job in held:
            if job.lease is not None and job.lease.expires < self.now:
                self._end_attempt(job, "expired", place=together)
        promoted = self._end_of_line().number
        for job in self.jobs.values():
            if job.status is JobStatus.PENDING and not job.ready and job.run_at is not None and job.run_at <= self.now:
                due = (job.run_at, job.place.number)
                route = (job.order.queue, job.order.tenant, job.order.needs, job.order.priority)
                job.ready, job.place = True, Place(promoted, route, due)

    def cancel(self, job_id: UUID) -> bool:
        job = self.jobs.get(job_id)
        if job is None:
            raise JobNotFound(job_id)
        if job.status.is_final:
            return False
        job.asked = True
        if job.status is JobStatus.CLAIMED:
            self._end_attempt(job, "released")
        elif job.status is JobStatus.PENDING:
            self._end(job, "cancelled", JobStatus.CANCELLED)
        return True

    def redrive(self, job_id: UUID) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.reason is None:
            return False
        job.status, job.ready, job.reason, job.run_at = JobStatus.PENDING, True, None, None
        job.attempt, job.place = 0, self._end_of_line()
        return True

    def purge(self, queue: str) -> int:
        self._must_know(queue)
        gone = [
            job_id for job_id, job in self.jobs.items() if job.order.queue == queue and job.status is JobStatus.PENDING
        ]
        for job_id in gone:
            self._free(job_id)
            del self.jobs[job_id]
            self.purged.add(job_id)
            for lease in self.leases.values():
                if lease.job_id == job_id:
                    lease.ended = "forgotten"
        return len(gone)

    def pause(self, queue: str) -> None:
        self._must_know(queue)
        self.paused.add(queue)

    def resume(self, queue: str) -> None:
        self._must_know(queue)
        self.paused.discard(queue)

    def depth(self, queue: str) -> int:
        return sum(
            job.order.queue == queue
            and job.status is JobStatus.PENDING
            and (job.ready or (job.run_at is not None and job.run_at <= self.now))
            for job in self.jobs.values()
        )

    def _make_up_for(self, gap: timedelta, job: Job) -> None:
        """Add the gap to a job's lease, which gets no more than its full length."""
        if job.lease is not None:
            full = self.now + timedelta(seconds=job.lease.seconds)
            job.lease.expires = max(job.lease.expires, min(job.lease.expires + gap, full))

    def _end_attempt(
        self,
        job: Job,
        outcome: str,
        retry_in: float | None = None,
        *,
        dead_letters: bool = True,
        place: Place | None = None,
    ) -> JobStatus:
        job.crashes += outcome == "expired"
        if job.asked:
            return self._end(job, "cancelled", JobStatus.CANCELLED)
        reason = _reason(job, outcome)
        if reason is not None:
            job.reason = reason if dead_letters and job.order.dead_letters else None
            return self._end(job, outcome, JobStatus.FAILED)
        self._put_back(job, outcome, retry_in, place)
        return self._end(job, outcome, JobStatus.PENDING)

    def _put_back(self, job: Job, outcome: str, retry_in: float | None, place: Place | None) -> None:
        if outcome == "released":
            job.attempt -= 1
            return
        job.place = place or self._end_of_line()
        if outcome == "failed":
            most = least = retry_in
            if most is None or least is None:
                delay = min(job.order.retry_delay * 2 ** (job.attempt - 1), LONGEST_DELAY)
                least, most = delay * (1 - JITTER), delay * (1 + JITTER)
            if most > 0:
                job.ready = False
                job.run_at_range = (self.now + timedelta(seconds=least), self.now + timedelta(seconds=most))

    def _end(self, job: Job, outcome: str, status: JobStatus) -> JobStatus:
        if job.lease is not None:
            cancelled_early = outcome == "cancelled" and job.started is None
            job.lease.ended, job.lease.answer = outcome, None if cancelled_early else status
        job.lease, job.started, job.status = None, None, status
        if status is JobStatus.CANCELLED:
            self._free(next(job_id for job_id, known in self.jobs.items() if known is job))
        return status

    def _held(self, token: Any) -> Job:
        lease = self.leases[token]
        if lease.ended is not None:
            raise LeaseLost(lease.job_id)
        return self.jobs[lease.job_id]

    def _settled_before(self, lease: Lease, outcome: str) -> JobStatus:
        asked = lease.ended == "cancelled" and outcome != "completed"
        if lease.answer is None or not (lease.ended == outcome or asked):
            raise LeaseLost(lease.job_id)
        return lease.answer

    def _free(self, job_id: UUID) -> None:
        self.references = {key: owner for key, owner in self.references.items() if owner != job_id}

    def _must_know(self, queue: str) -> None:
        if queue not in self.known:
            raise QueueNotFound(queue)

    def _end_of_line(self) -> Place:
        self._number += 1
        return Place(self._number)


def _reason(job: Job, outcome: str) -> str | None:
    """Why a job must not run again by itself, or None when it may."""
    if outcome == "released":
        return None
    if outcome == "business":
        return "business"
    if outcome == "expired":
        if job.started is not None and job.order.on_crash != "retry":
            return {"hold": "in doubt", "fail": "crashed"}[job.order.on_crash]
        if job.crashes >= CRASHES:
            return "quarantined"
    return "exhausted" if job.attempt >= job.order.max_retries else None
