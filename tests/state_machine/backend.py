"""What the stateful test needs of a queue, and PostgreSQL's way of giving it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID, uuid4

import asyncpg

from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.queue import JobStatus, LeaseLost
from casare_rpa.infrastructure.queue.consuming.floors import Floors
from tests.floors import learn
from tests.state_machine.history_checker import check_history

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tests.state_machine.bench import Bench
    from tests.state_machine.model import Order


class Claimed(NamedTuple):
    """One job that a claim handed out."""

    job_id: UUID
    token: Any
    attempt: int
    status: JobStatus


class Seen(NamedTuple):
    """What anyone can see of a job."""

    status: JobStatus
    attempt: int
    crashes: int
    reason: str | None
    run_at: datetime | None
    lease_expires_at: datetime | None


class Backend(Protocol):
    """A queue with a clock that the test moves. Another one needs these methods and is then tested by the same machine.

    A robot is whatever `robot` returns; a token is whatever a claim returns. Times are those of the queue's own clock. Errors
    are the public ones: DuplicateReference, JobNotFound, QueueNotFound, LeaseLost.
    """

    visibility: float
    """Seconds that a claim lasts unless the job says otherwise."""
    overdue: float
    """Seconds without a pass of the upkeep after which a claim may do it by itself."""
    outage: float
    """Seconds without a pass of the upkeep after which every lease gets the gap added, up to its full length."""
    binds_tenants: bool
    """Whether a robot can be bound to a tenant."""

    async def clear(self) -> datetime:
        """Forget everything and return the time; the upkeep has passed at this moment."""

    async def advance(self, seconds: float) -> datetime: ...
    async def upkeep(self) -> None: ...
    async def robot(self, name: str, offers: Iterable[str], tenant: str | None) -> Any:
        """Return a new incarnation of a robot; one that is bound to a tenant claims nothing else."""

    async def enqueue(self, job_id: UUID, order: Order, *, resent: bool) -> None: ...
    async def claim(self, robot: Any, queue: str, limit: int, *, start: bool) -> tuple[int, list[Claimed]]:
        """Return the number of the request and the jobs, the first to do first."""

    async def start(self, job_id: UUID, token: Any) -> None: ...
    async def settle(
        self, job_id: UUID, token: Any, outcome: str, retry_in: float | None, *, dead_letters: bool
    ) -> JobStatus: ...
    async def heartbeat(self, robot: Any, held: dict[UUID, Any], in_flight: set[int]) -> tuple[set[UUID], set[UUID]]:
        """Return what is lost and what is asked to be cancelled; what neither is held nor in flight goes back."""

    async def cancel(self, job_id: UUID) -> bool: ...
    async def redrive(self, job_id: UUID) -> bool: ...
    async def purge(self, queue: str) -> int: ...
    async def pause(self, queue: str) -> None: ...
    async def resume(self, queue: str) -> None: ...
    async def depth(self, queue: str) -> int: ...
    async def look(self) -> dict[UUID, Seen]:
        """Return every job there is."""

    async def check(self, enqueued: Iterable[UUID], purged: Iterable[UUID]) -> None:
        """Raise AssertionError unless the queue's own record is whole."""


def offers_of(words: Iterable[str]) -> str:
    """Return what a robot with these capabilities offers, as JSON."""
    return json.dumps({"capabilities": sorted(words)})


def template_of(order: Order) -> str:
    """Return the templates of a batch of this one order, as JSON."""
    template = {
        "workflow": "pay",
        "queue_name": order.queue,
        "tenant_id": order.tenant,
        "priority": order.priority,
        "requirements": {"capabilities": sorted(order.needs)} if order.needs else None,
        "max_retries": order.max_retries,
        "retry_delay": order.retry_delay,
        "visibility_timeout": order.visibility,
        "time_limit": order.time_limit,
        "on_crash": order.on_crash,
        "enable_dlq": order.dead_letters,
    }
    return json.dumps([{key: value for key, value in template.items() if value is not None}])


@dataclass
class PostgresRobot:
    """One incarnation: its connection, what it offers, its requests and the floors it has learned."""

    connection: asyncpg.Connection
    name: str
    offers: str
    incarnation: UUID = field(default_factory=uuid4)
    requests: int = 0
    floors: dict[str, Floors] = field(default_factory=dict)


class PostgresBackend:
    """The real queue, called through the functions of its schema, with the floors that real robots use."""

    visibility = 3.0
    overdue = 2.0
    outage = 8.0
    binds_tenants = True

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._call = bench.first
        self._logins: dict[str, asyncpg.Connection] = {}

    async def login(self, tenant: str, connection: asyncpg.Connection) -> None:
        """Let robots of a tenant use this connection, which belongs to a login bound to it."""
        self._logins[tenant] = connection

    async def clear(self) -> datetime:
        await self._bench.clear()
        await self._bench.watcher.execute("DELETE FROM routes")
        await self._call.execute("SELECT setseed(0)")  # so that a failure can be played again, jitter and all
        await self._bench.upkeep_passed(0)
        return await self._bench.now()

    async def advance(self, seconds: float) -> datetime:
        return await self._bench.clock.advance(seconds)

    async def upkeep(self) -> None:
        await self._call.execute("SELECT upkeep(true)")

    async def robot(self, name: str, offers: Iterable[str], tenant: str | None) -> PostgresRobot:
        connection = self._call if tenant is None else self._logins[tenant]
        return PostgresRobot(connection, name, offers_of(offers))

    async def enqueue(self, job_id: UUID, order: Order, *, resent: bool) -> None:
        await self._fetch(
            "SELECT enqueue_jobs(p_templates => $1, p_template => NULL, p_ids => $2, p_payloads => $3, p_references => $4, "
            "p_run_ats => $5, p_resent => $6)",
            template_of(order),
            [job_id],
            ["{}"],
            [order.reference],
            [order.run_at],
            resent,
        )

    async def claim(self, robot: PostgresRobot, queue: str, limit: int, *, start: bool) -> tuple[int, list[Claimed]]:
        robot.requests += 1
        floors = robot.floors.setdefault(queue, Floors())
        rows = await robot.connection.fetch(
            "SELECT * FROM pgqueuer.claim_jobs($1, $2, $3, $4, $5, $6, $7, $8, true, $9, $10)",
            *(queue, limit, robot.name, robot.incarnation, robot.requests, robot.offers, self.visibility, start),
            *(floors.routes, floors.places),
        )
        rows = sorted((row for row in rows if row["id"]), key=lambda row: (-row["priority"], row["seq"]))
        learn(floors, rows, rows[0] if rows else None, full=len(rows) >= limit)
        return robot.requests, [
            Claimed(row["id"], row["lease_token"], row["attempt"], JobStatus(row["status"])) for row in rows
        ]

    async def start(self, job_id: UUID, token: UUID) -> None:
        if not await self._fetch("SELECT id FROM start_jobs($1, $2)", [job_id], [token]):
            raise LeaseLost(job_id)

    async def settle(
        self, job_id: UUID, token: UUID, outcome: str, retry_in: float | None, *, dead_letters: bool
    ) -> JobStatus:
        rows = await self._fetch(
            "SELECT status FROM settle_jobs(p_ids => $1, p_tokens => $2, p_outcomes => $3, p_retry_ins => $4, "
            "p_enable_dlq => $5)",
            *([job_id], [token], [outcome], [retry_in], dead_letters),
        )
        if rows and rows[0]["status"] is None:
            raise LeaseLost(job_id)
        return JobStatus(rows[0]["status"]) if rows else JobStatus.COMPLETED

    async def heartbeat(
        self, robot: PostgresRobot, held: dict[UUID, UUID], in_flight: set[int]
    ) -> tuple[set[UUID], set[UUID]]:
        row = await robot.connection.fetchrow(
            "SELECT lost, cancelled FROM pgqueuer.heartbeat($1, $2, $3, $4, $5, $6, $7)",
            *(robot.name, robot.incarnation, "invoices", list(held), list(held.values())),
            *(robot.requests, sorted(in_flight)),
        )
        return set(row["lost"]), set(row["cancelled"])

    async def cancel(self, job_id: UUID) -> bool:
        return bool((await self._fetch("SELECT cancel_job($1)", job_id))[0][0])

    async def redrive(self, job_id: UUID) -> bool:
        return bool(await self._fetch("SELECT redrive_jobs($1)", [job_id]))

    async def purge(self, queue: str) -> int:
        return int((await self._fetch("SELECT purge_queue($1)", queue))[0][0])

    async def pause(self, queue: str) -> None:
        await self._fetch("SELECT pause_queue($1)", queue)

    async def resume(self, queue: str) -> None:
        await self._fetch("SELECT resume_queue($1)", queue)

    async def depth(self, queue: str) -> int:
        return int((await self._fetch("SELECT queue_depth($1)", queue))[0][0])

    async def look(self) -> dict[UUID, Seen]:
        rows = await self._fetch("SELECT id, status, attempt, crashes, reason, run_at, lease_expires_at FROM all_jobs")
        return {job_id: Seen(JobStatus(status), *others) for job_id, status, *others in rows}

    async def check(self, enqueued: Iterable[UUID], purged: Iterable[UUID]) -> None:
        await check_history(self._bench.watcher, enqueued, purged)

    async def _fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        try:
            rows: list[asyncpg.Record] = await self._call.fetch(sql, *arguments)
        except asyncpg.PostgresError as error:
            raise translate(error) from error
        return rows
