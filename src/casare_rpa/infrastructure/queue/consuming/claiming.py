"""Claims jobs for one robot: numbered requests, floors, and looks back at what lies beside the ordinary scan."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.postgres.faults import describe
from casare_rpa.infrastructure.postgres.sessions import COMMAND_TIMEOUT
from casare_rpa.infrastructure.queue.calls import ClaimArguments, ClaimedRow
from casare_rpa.infrastructure.queue.consuming.floors import LONGEST_PAUSE, SWEEP_EVERY, SWEEP_SHARE, Floors
from casare_rpa.infrastructure.queue.consuming.settlement import Settlement
from casare_rpa.infrastructure.queue.consuming.settler import settle_arguments, statuses_of
from casare_rpa.infrastructure.queue.models import JobStatus
from casare_rpa.infrastructure.queue.pool import KeptConnection
from casare_rpa.infrastructure.queue.rows import ClaimedJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue.calls import Calls, ClaimReply
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.consuming.leases import Leases
    from casare_rpa.infrastructure.queue.consuming.lifeline import Lifeline
    from casare_rpa.infrastructure.queue.consuming.settler import Fate, Settler
    from casare_rpa.infrastructure.queue.models import JobModel
    from casare_rpa.infrastructure.telemetry.robot import RobotTelemetry

_ID, _SEQ, _ROUTE, _TOKEN, _SECONDS, _PRIORITY = map(
    ClaimedRow._fields.index, ("id", "seq", "route_id", "lease_token", "lease_seconds", "priority")
)
LOOK_BACK_EVERY = 0.25
"""Seconds between looks at due and returned jobs while there is enough other work."""
CHEAP_SWEEP = 0.1
"""Seconds that a sweep may take to come before a look at what is new, and not after it."""
SHORTEST_PATIENCE = 2.0
"""Seconds that the reply to a claim is waited for, at least; else half a visibility timeout."""


@dataclass(frozen=True)
class Claimed:
    """What a claim brought.

    Attributes:
        jobs: in the order to start them.
        next_due: seconds until the next deferred job is due, if known.
        statuses: of the jobs that were settled with it.

    """

    jobs: list[JobModel]
    next_due: float | None = None
    statuses: list[JobStatus | None] = field(default_factory=list)

    def with_more(self, more: Claimed) -> Claimed:
        """Return this and what a further look brought."""
        next_due = self.next_due if more.next_due is None else more.next_due
        return replace(self, jobs=self.jobs + more.jobs, next_due=next_due)


class Claimer:
    """Claims for one consumer, one request at a time.

    `lost_to_itself` is called with the lease tokens of attempts that are lost because the robot has claimed their jobs again.
    """

    def __init__(
        self,
        config: QueueConfig,
        calls: Calls,
        pool: asyncpg.Pool,
        robot_id: str,
        incarnation: UUID,
        offers: Mapping[str, Any],
        leases: Leases,
        lifeline: Lifeline,
        settler: Settler,
        telemetry: RobotTelemetry,
        lost_to_itself: Callable[[list[UUID]], None],
    ) -> None:
        self._config = config
        self._calls = calls
        self._connection = KeptConnection(pool)
        self._lost_to_itself = lost_to_itself
        self._robot_id = robot_id
        self._incarnation = incarnation
        self._offers = json.dumps(offers, ensure_ascii=False)
        self._leases = leases
        self._lifeline = lifeline
        self._settler = settler
        self._telemetry = telemetry
        # A claim whose reply is overdue is given up while its leases still hold, so that they are released and not run out.
        self._longest_call = min(COMMAND_TIMEOUT, max(SHORTEST_PATIENCE, config.visibility_timeout / 2))
        self._floors = Floors()
        self._one_at_a_time = asyncio.Lock()
        self.slots = asyncio.Lock()
        """Held from the moment that free slots are counted until they are taken."""
        self._looked_back = self._swept = float("-inf")
        self._sweep_took = 0.0
        self._found_nothing = self._finished = False

    async def claim(self, limit: int, *, start: bool, settling: list[Settlement] | None = None) -> Claimed:
        """Claim up to `limit` jobs, and settle what has ended in the same transaction.

        What comes back short has looked everywhere a job could be.

        Raises:
            whatever asyncpg raises: nothing is held then; what the database gave out all the same goes back by itself.

        """
        async with self._one_at_a_time:
            if self._finished:
                return Claimed([])
            # A claim by hand keeps the strict order; a busy robot may find what came back a moment later.
            looks_back = not start or time.monotonic() - self._looked_back >= LOOK_BACK_EVERY
            sweeps = self._found_nothing and self._sweep_took < CHEAP_SWEEP and self._sweep_is_due()
            self._found_nothing = False
            if sweeps:  # instead of a look that will find nothing, and a sweep after it
                claimed = await self._sweep(limit, start=start, settling=settling)
            else:
                claimed = await self._claim(limit, start=start, look_back=looks_back, settling=settling)
            try:
                if len(claimed.jobs) < limit and not looks_back and not sweeps:
                    claimed = claimed.with_more(
                        await self._claim(limit - len(claimed.jobs), start=start, look_back=True)
                    )
                if len(claimed.jobs) < limit and self._sweep_is_due():
                    claimed = claimed.with_more(await self._sweep(limit - len(claimed.jobs), start=start))
            except Exception:
                if not claimed.jobs and not claimed.statuses:
                    raise
            except asyncio.CancelledError:
                self._forget(claimed.jobs)
                raise
            self._found_nothing = not claimed.jobs
            self._telemetry.claimed(claimed.jobs)
            return claimed

    async def finish(self) -> None:
        """Claim no more, once the claim that is under way has come back."""
        async with self._one_at_a_time:
            self._finished = True
            await self._connection.give_back()

    def _forget(self, jobs: list[JobModel]) -> None:
        """Hold these no more: nobody will get to see them, and the next heartbeat gives them back."""
        for job in jobs:
            if job.id is not None:
                self._leases.drop(job.id, job.lease_token)
        self._lifeline.beat_now()

    def _sweep_is_due(self) -> bool:
        return time.monotonic() - self._swept >= max(SWEEP_EVERY, min(LONGEST_PAUSE, self._sweep_took / SWEEP_SHARE))

    async def _sweep(self, limit: int, *, start: bool, settling: list[Settlement] | None = None) -> Claimed:
        began = time.monotonic()
        try:
            return await self._claim(limit, start=start, look_back=True, floors=Floors(), settling=settling)
        finally:  # one that failed for its length must not come again at once
            self._swept = time.monotonic()
            self._sweep_took = self._swept - began

    async def _claim(
        self,
        limit: int,
        *,
        start: bool,
        look_back: bool,
        floors: Floors | None = None,
        settling: list[Settlement] | None = None,
    ) -> Claimed:
        request = self._leases.begin_request()
        floors = floors or self._floors
        arguments = ClaimArguments(
            queue=self._config.queue_name,
            limit=limit,
            robot=self._robot_id,
            incarnation=self._incarnation,
            request=request,
            offers=self._offers,
            visibility_timeout=self._config.visibility_timeout,
            start=start,
            look_back=look_back,
            floor_routes=floors.routes,
            floors=floors.places,
        )
        settle = settle_arguments(settling, self._config) if settling else None
        if settle is not None and all(outcome == "completed" for outcome in settle.outcomes or ()):
            settle = settle._replace(outcomes=None)
        try:
            async with self._connection as connection, asyncio.timeout(self._longest_call):
                reply = await self._calls.claim(connection, arguments, settle)
        except BaseException as error:
            self._leases.abandon_request(request)
            self._lifeline.beat_now()
            self._telemetry.claim_failed(describe(error), given_up=isinstance(error, TimeoutError))
            raise
        if look_back:
            self._looked_back = time.monotonic()
        next_due = None
        if reply.next_due is not None:
            next_due = max(timedelta(0), reply.next_due - reply.claimed_at).total_seconds()
        statuses = statuses_of(settling, reply.settled) if settling else []
        return Claimed(self._take(request, reply, limit, start=start), next_due, statuses)

    def _take(self, request: int, reply: ClaimReply, limit: int, *, start: bool) -> list[JobModel]:
        """Hold what a claim brought and return its jobs, the first to do first."""
        rows = reply.rows
        lost = self._leases.end_request(
            request,
            {row[_ID]: row[_TOKEN] for row in rows},
            {row[_ID]: row[_SECONDS] for row in rows},
        )
        self._lost_to_itself(lost)
        self._lifeline.leases_added()
        highest: dict[int, int] = {}
        for row in rows:
            if row[_SEQ] > highest.get(row[_ROUTE], 0):
                highest[row[_ROUTE]] = row[_SEQ]
        self._floors.learn(highest, reply.request_xid, reply.oldest_xid, full=len(rows) >= limit)
        claimed = ClaimedJobs(self._config.queue_name, self._robot_id, reply.claimed_at, start=start)
        jobs = []
        for row in sorted(rows, key=_in_order) if len(rows) > 1 else rows:
            try:
                jobs.append(claimed.model(row))
            except (ValueError, RecursionError) as error:
                self._bury(ClaimedRow._make(row[: len(ClaimedRow._fields)]), error)
        return jobs

    def _bury(self, row: ClaimedRow, error: Exception) -> None:
        """Settle a job that cannot be read: it is a dead letter, and harms neither the robot nor the others."""
        fault = f"this job cannot be read: {type(error).__name__}: {error}"

        def settled(settlement: Settlement, fate: Fate) -> None:
            self._leases.drop(settlement.job_id, settlement.token)
            if isinstance(fate, JobStatus):
                self._telemetry.unreadable(row.id, row.workflow, row.attempt, fault, fate)

        self._settler.submit(Settlement(row.id, row.lease_token, "business", error=fault), settled)


def _in_order(row: Sequence[Any]) -> int:
    """Return what sorts rows by priority, the highest first, then by place."""
    priority, place = int(row[_PRIORITY]), int(row[_SEQ])
    return place - (priority << 63)
