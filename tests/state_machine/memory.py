"""The queue in memory on the same bench: its records as rows, its promises, and hands to act with."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from casare_rpa.foundation.errors import LeaseLost
from casare_rpa.infrastructure.queue import JobStatus
from casare_rpa.infrastructure.queue.batches import Batch
from casare_rpa.infrastructure.queue.calls import ClaimArguments, ClaimedRow, SettleArguments
from casare_rpa.orchestrator.job_queue import RETENTION
from casare_rpa.orchestrator.memory.backend import Memory
from casare_rpa.orchestrator.memory.records import HELD
from casare_rpa.orchestrator.memory.upkeep import upkeep
from tests.state_machine.backend import Claimed, Seen, offers_of, template_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casare_rpa.orchestrator.memory.calls import MemoryCalls
    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store
    from tests.state_machine.model import Order

_COLUMNS = (
    *("id", "seq", "status", "deferred", "run_at", "attempt", "crashes", "lease_token", "lease_expires_at"),
    *("cancel_requested_at", "claimed_at", "started_at", "finished_at", "claimed_by"),
)


class Hand:
    """Acts on the queue of a bench, as a connection does on a database."""

    def __init__(self, bench: MemoryBench) -> None:
        self._bench = bench

    @property
    def calls(self) -> MemoryCalls:
        return self._bench.memory.calls


class MemoryBench:
    """A queue in memory with a stopped clock."""

    def __init__(self) -> None:
        self.memory = _new_memory()
        self.first = self.second = self.helper = self.watcher = Hand(self)
        self.clock = self

    async def clear(self) -> None:
        """Forget everything. The upkeep passed a second ago, so that it may pass again."""
        self.memory = _new_memory()
        await self.upkeep_passed(1)

    async def upkeep_passed(self, seconds_ago: float) -> None:
        """Let the last pass of the upkeep have been so long ago."""
        self.memory.store.passed_at = self.memory.clock.now() - timedelta(seconds=seconds_ago)

    async def now(self) -> datetime:
        return self.memory.clock.now()

    async def advance(self, seconds: float) -> datetime:
        return self.memory.clock.advance(seconds, upkeep=False)

    async def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Every record, as the rows of the tables."""
        store = self.memory.store
        return {
            "jobs": [_row(job) for job in store.jobs.values()],
            "dead_letter_queue": [{**_row(job), "reason": job.reason} for job in store.dead.values()],
            "job_history": [_row(job) for job in store.history.values()],
            "job_attempts": [
                {"job_id": str(job_id), "outcome": attempt.outcome, "number": number}
                for job_id, attempts in store.attempts.items()
                for number, attempt in enumerate(attempts)
            ],
            "job_references": [{"reference": key, "job_id": str(job_id)} for key, job_id in store.references.items()],
        }

    async def check(self) -> None:
        check_store(self.memory.store)


class MemoryModelBackend:
    """The queue in memory behind the stateful test."""

    visibility = 3.0
    overdue = 2.0
    outage = 8.0
    binds_tenants = False

    def __init__(self) -> None:
        self._memory = _new_memory()

    async def clear(self) -> datetime:
        self._memory = _new_memory()
        return self._memory.clock.now()

    async def advance(self, seconds: float) -> datetime:
        return self._memory.clock.advance(seconds, upkeep=False)

    async def upkeep(self) -> None:
        upkeep(self._memory.store, force=True)

    async def robot(self, name: str, offers: Iterable[str], tenant: str | None) -> _Robot:
        assert tenant is None, "there are no logins here"
        return _Robot(name, offers_of(offers))

    async def enqueue(self, job_id: UUID, order: Order, *, resent: bool) -> None:
        batch = Batch(template_of(order), None, [job_id], ["{}"], [order.reference], [order.run_at])
        await self._calls.enqueue(_NOTHING, batch, each=False, resent=resent)

    async def claim(self, robot: _Robot, queue: str, limit: int, *, start: bool) -> tuple[int, list[Claimed]]:
        robot.requests += 1
        claim = ClaimArguments(
            *(queue, limit, robot.name, robot.incarnation, robot.requests, robot.offers, self.visibility, start, True),
            *([], []),
        )
        rows = [ClaimedRow._make(row) for row in (await self._calls.claim(_NOTHING, claim)).rows]
        jobs = self._memory.store.jobs
        return robot.requests, [
            Claimed(row.id, row.lease_token, row.attempt, JobStatus(jobs[row.id].status)) for row in rows
        ]

    async def start(self, job_id: UUID, token: UUID) -> None:
        if not await self._calls.start(_NOTHING, [job_id], [token]):
            raise LeaseLost(job_id)

    async def settle(
        self, job_id: UUID, token: UUID, outcome: str, retry_in: float | None, *, dead_letters: bool
    ) -> JobStatus:
        settle = SettleArguments([job_id], [token], [outcome], None, None, [retry_in], dead_letters)
        rows = await self._calls.settle(_NOTHING, settle)
        if rows and rows[0]["status"] is None:
            raise LeaseLost(job_id)
        return JobStatus(rows[0]["status"]) if rows else JobStatus.COMPLETED

    async def heartbeat(
        self, robot: _Robot, held: dict[UUID, UUID], in_flight: set[int]
    ) -> tuple[set[UUID], set[UUID]]:
        row = await self._calls.heartbeat(
            _NOTHING, robot.name, robot.incarnation, "invoices", held, robot.requests, sorted(in_flight)
        )
        return set(row["lost"]), set(row["cancelled"])

    async def cancel(self, job_id: UUID) -> bool:
        return await self._calls.cancel(_NOTHING, job_id, uuid4())

    async def redrive(self, job_id: UUID) -> bool:
        return bool(await self._calls.redrive(_NOTHING, [job_id], uuid4()))

    async def purge(self, queue: str) -> int:
        return await self._calls.purge(_NOTHING, queue)

    async def pause(self, queue: str) -> None:
        await self._calls.pause(_NOTHING, queue)

    async def resume(self, queue: str) -> None:
        await self._calls.resume(_NOTHING, queue)

    async def depth(self, queue: str) -> int:
        return await self._calls.queue_depth(_NOTHING, queue)

    async def look(self) -> dict[UUID, Seen]:
        return {
            job.id: Seen(JobStatus(job.status), job.attempt, job.crashes, job.reason, job.run_at, job.lease_expires_at)
            for job in self._memory.store.everything()
        }

    async def check(self, enqueued: Iterable[UUID], purged: Iterable[UUID]) -> None:
        check_store(self._memory.store, enqueued, purged)

    @property
    def _calls(self) -> MemoryCalls:
        return self._memory.calls


class _Robot:
    """One incarnation: what it offers, and its requests."""

    def __init__(self, name: str, offers: str) -> None:
        self.name = name
        self.offers = offers
        self.incarnation = uuid4()
        self.requests = 0


_NOTHING: Any = None
"""Where a connection would be."""


def _new_memory() -> Memory:
    memory = Memory(RETENTION)
    memory.store.passed_at = memory.clock.freeze()
    return memory


def _row(job: Job) -> dict[str, Any]:
    return {name: _plain(getattr(job, name)) for name in _COLUMNS}


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat(timespec="microseconds")
    return value


def check_store(store: Store, enqueued: Iterable[UUID] | None = None, purged: Iterable[UUID] = ()) -> None:
    """Raise AssertionError unless the record keeps its promises: those of `history_checker`, over dictionaries."""
    jobs = list(store.everything())
    known = {job.id for job in jobs}
    assert len(known) == len(jobs), "a job is in one place"
    if enqueued is not None:
        assert known == set(enqueued) - set(purged), "nothing is lost and nothing comes from nowhere"
    assert set(store.attempts) <= known, "an attempt belongs to a job"
    for place, statuses in (
        (store.jobs, ("PENDING", *HELD)),
        (store.dead, ("FAILED",)),
        (store.history, ("COMPLETED", "FAILED", "CANCELLED")),
    ):
        assert all(job.status in statuses for job in place.values()), "a job is where its status says"
    ended = [attempt.token_hash for attempts in store.attempts.values() for attempt in attempts]
    ended += [job.token_hash for job in jobs if job.token_hash is not None]
    assert max(Counter(ended).values(), default=1) == 1, "an attempt ends once"
    for job in jobs:
        _check_job(store, job)
    pointed = {(job.tenant_id or "", job.queue_name, job.reference): job.id for job in jobs if _has_reference(job)}
    assert store.references == pointed, "references and jobs point to each other"


def _check_job(store: Store, job: Job) -> None:
    lease = (job.lease_token, job.lease_expires_at, job.lease_seconds, job.incarnation, job.request)
    held = job.status in HELD
    assert (job.id in store.held) is held
    assert sum(part is not None for part in lease) == (len(lease) if held else 0), "a held job has a whole lease"
    assert (job.token_hash is not None) is (job.status == "COMPLETED")
    if job.id in store.jobs:
        assert (job.started_at is not None) is (job.status == "RUNNING")
        assert job.cancel_requested_at is None or job.status == "RUNNING"
    if job.status == "PENDING":
        line = job.route.deferred if job.deferred else job.route.ready
        assert any(entry[-1] is job for entry in line), "a job lies on its route"
    assert (job.status in {*HELD, "COMPLETED"}) <= job.attempt <= job.max_retries - (job.status == "PENDING")
    crashed = sum(attempt.outcome == "expired" for attempt in store.attempts.get(job.id, ()))
    assert 0 <= job.crashes - crashed <= (job.status == "CANCELLED"), "crashes are the leases that ran out"


def _has_reference(job: Job) -> bool:
    return job.reference is not None and job.status != "CANCELLED"
