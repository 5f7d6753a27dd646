"""Where the jobs of an in-memory queue are kept, under one lock."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import QueueNotFound
from casare_rpa.infrastructure.queue.pool import SchemaLimits
from casare_rpa.orchestrator.memory.events import Events
from casare_rpa.orchestrator.memory.hub import Hub
from casare_rpa.orchestrator.memory.records import HELD, Route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from casare_rpa.orchestrator.memory.clock import QueueClock
    from casare_rpa.orchestrator.memory.records import Action, Attempt, Job, Pause, Robot

LIMIT = 1024 * 1024
"""Bytes of a payload and of a result."""


class Store:
    """Every record of one queue. Whoever reads or writes it holds `lock`, from any thread; nothing waits while it is held.

    A job is in exactly one of `jobs` (still to be done), `dead` and `history`.
    """

    def __init__(self, clock: QueueClock, retention: timedelta) -> None:
        self.lock = clock.lock
        self.clock = clock
        self.hub = Hub()
        self.events = Events(clock)
        self.retention = retention
        self.limits = SchemaLimits(LIMIT, LIMIT)
        self.jobs: dict[UUID, Job] = {}
        self.held: dict[UUID, Job] = {}
        """Those of `jobs` that are under a lease."""
        self.dead: dict[UUID, Job] = {}
        self.history: dict[UUID, Job] = {}
        """In the order in which they ended."""
        self.attempts: dict[UUID, list[Attempt]] = {}
        self.actions: dict[UUID, list[Action]] = {}
        self.references: dict[tuple[str, str, str], UUID] = {}
        self.paused: dict[str, Pause] = {}
        self.robots: dict[UUID, Robot] = {}
        self.passed_at = clock.now()
        """When the upkeep last came round."""
        self.tidied_at = self.passed_at
        self._routes: dict[tuple[str, str | None, str | None, int], Route] = {}
        self._routes_of: dict[str, list[Route]] = {}
        self._last_place = 0

    def next_place(self) -> int:
        """Return the next place in the order of claims."""
        self._last_place += 1
        return self._last_place

    def route(self, queue: str, tenant: str | None, requirements: str | None, priority: int) -> Route:
        """Return the route that this is, a new one if need be; with it a queue comes to exist."""
        canonical = requirements and json.dumps(json.loads(requirements), sort_keys=True)
        key = (queue, tenant, canonical, priority)
        if key not in self._routes:
            self._routes[key] = Route(len(self._routes) + 1, queue, tenant, requirements, priority)
            self._routes_of.setdefault(queue, []).append(self._routes[key])
        return self._routes[key]

    def routes_of(self, queue: str) -> list[Route]:
        """Return the routes of a queue."""
        return self._routes_of.get(queue, [])

    @property
    def queues(self) -> list[str]:
        """The queues there are."""
        return list(self._routes_of)

    def check_queue_known(self, queue: str) -> None:
        """Raise `QueueNotFound` unless there has been a job in this queue."""
        if queue not in self._routes_of:
            raise QueueNotFound(f'there is no queue "{queue}"')

    def find(self, job_id: UUID) -> Job | None:
        """Return a job wherever it is."""
        return self.jobs.get(job_id) or self.dead.get(job_id) or self.history.get(job_id)

    def everything(self) -> Iterator[Job]:
        """Every job there is."""
        yield from self.jobs.values()
        yield from self.dead.values()
        yield from self.history.values()

    @property
    def size(self) -> int:
        """How many jobs there are."""
        return len(self.jobs) + len(self.dead) + len(self.history)

    def held_under(self, job_id: UUID, token: UUID) -> Job | None:
        """Return the job that is held under this lease, or None when the lease is lost."""
        job = self.held.get(job_id)
        return job if job is not None and job.lease_token == token else None

    def put(self, job: Job) -> None:
        """Note what a job is now, after its status or place has changed."""
        self.jobs[job.id] = job
        if job.status in HELD:
            self.held[job.id] = job
        else:
            self.held.pop(job.id, None)
            job.route.add(job)

    def remove(self, job: Job) -> None:
        """Take a job out of those that are still to be done."""
        del self.jobs[job.id]
        self.held.pop(job.id, None)

    def free_reference(self, job: Job) -> None:
        """Let another job have this one's reference."""
        if job.reference is not None:
            key = (job.tenant_id or "", job.queue_name, job.reference)
            if self.references.get(key) == job.id:
                del self.references[key]

    def forget(self, job: Job) -> None:
        """Forget what is kept beside a job that is gone: its reference, attempts and actions."""
        self.free_reference(job)
        self.attempts.pop(job.id, None)
        self.actions.pop(job.id, None)

    def fleet(self, queue: str) -> int:
        """How many robots of a queue were seen lately."""
        lately = self.clock.now() - timedelta(seconds=40)
        return sum(robot.queue == queue and robot.seen_at > lately for robot in self.robots.values())


def seconds(count: float) -> timedelta:
    """Return a duration; one that is longer than any date can be is cut."""
    return timedelta(seconds=min(count, 1e9))


def later(moment: datetime, count: float) -> datetime:
    """Return the moment so many seconds later."""
    return moment + seconds(count)
