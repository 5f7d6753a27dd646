"""What the in-memory queue remembers: jobs, ended attempts, routes, robots."""

from __future__ import annotations

import hashlib
import heapq
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


def token_hash(token: UUID | None) -> bytes:
    """Return what is kept of the token of a lease that has ended."""
    return hashlib.sha256(token.bytes if token else b"").digest()[:16]


HELD = ("CLAIMED", "RUNNING")


@dataclass(slots=True, eq=False)
class Job:
    """A job through its whole life. JSON is kept as text, as PostgreSQL hands it out."""

    id: UUID
    seq: int
    route: Route
    created_at: datetime
    workflow: str
    payload: str
    reference: str | None
    run_at: datetime | None
    max_retries: int
    retry_delay: float
    visibility_timeout: float | None
    time_limit: float | None
    on_crash: str
    enable_dlq: bool
    tags: list[str] | None
    metadata: str | None
    deferred: bool
    status: str = "PENDING"
    attempt: int = 0
    crashes: int = 0
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_expires_at: datetime | None = None
    lease_seconds: float | None = None
    lease_token: UUID | None = None
    token_hash: bytes | None = None
    """Of the lease that completed it."""
    incarnation: UUID | None = None
    request: int | None = None
    cancel_requested_at: datetime | None = None
    result: str | None = None
    error: str | None = None
    reason: str | None = None
    assigned_to: str | None = None

    @property
    def queue_name(self) -> str:
        return self.route.queue

    @property
    def tenant_id(self) -> str | None:
        return self.route.tenant

    @property
    def priority(self) -> int:
        return self.route.priority


@dataclass(slots=True, frozen=True)
class Attempt:
    """How an attempt ended that did not complete its job; the hash lets a repeated settlement get its first answer."""

    attempt: int
    robot: str | None
    claimed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    outcome: str
    error: str | None
    status: str
    token_hash: bytes


@dataclass(slots=True, frozen=True)
class Action:
    """What somebody did to a job by hand; the detail is JSON text."""

    at: datetime
    actor: str
    action: str
    comment: str | None
    detail: str | None


@dataclass(slots=True)
class Robot:
    """A robot that was seen lately."""

    robot_id: str
    queue: str
    seen_at: datetime


@dataclass(slots=True, frozen=True)
class Pause:
    """Since when a queue is paused, and by whom."""

    at: datetime
    by: str


@dataclass(slots=True, eq=False)
class Route:
    """What decides who may claim a job and how early, and the jobs that wait there.

    Both lines are heaps whose entries are left behind when a job moves on: who looks at one passes over them.
    """

    number: int
    queue: str
    tenant: str | None
    requirements: str | None
    priority: int
    needs: dict[str, Any] = field(init=False)
    ready: list[tuple[int, UUID, Job]] = field(default_factory=list)
    deferred: list[tuple[datetime, int, UUID, Job]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.needs = json.loads(self.requirements) if self.requirements else {}

    def add(self, job: Job) -> None:
        """Let a job wait here: for a robot, or for its time."""
        if job.deferred and job.run_at is not None:
            heapq.heappush(self.deferred, (job.run_at, job.seq, job.id, job))
        else:
            heapq.heappush(self.ready, (job.seq, job.id, job))

    def tidy(self) -> None:
        """Forget the entries that jobs have left behind."""
        self.ready = [entry for entry in self.ready if self._is_ready(entry[0], entry[-1])]
        self.deferred = [entry for entry in self.deferred if self._is_deferred(entry[0], entry[1], entry[-1])]
        heapq.heapify(self.ready)
        heapq.heapify(self.deferred)

    def first_ready(self) -> Job | None:
        """Return the job that is to be claimed first."""
        while self.ready:
            seq, _, job = self.ready[0]
            if self._is_ready(seq, job):
                return job
            heapq.heappop(self.ready)
        return None

    def first_deferred(self) -> Job | None:
        """Return the job that is due first."""
        while self.deferred:
            run_at, seq, _, job = self.deferred[0]
            if self._is_deferred(run_at, seq, job):
                return job
            heapq.heappop(self.deferred)
        return None

    def _is_ready(self, seq: int, job: Job) -> bool:
        return job.route is self and job.status == "PENDING" and not job.deferred and job.seq == seq

    def _is_deferred(self, run_at: datetime, seq: int, job: Job) -> bool:
        waits = job.route is self and job.status == "PENDING" and job.deferred
        return waits and (job.run_at, job.seq) == (run_at, seq)
