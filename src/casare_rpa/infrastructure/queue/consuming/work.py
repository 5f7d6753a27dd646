"""`run()`: claims jobs while slots are free, awaits the handler for each, settles; until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import DatabaseUnavailable, InvalidJob
from casare_rpa.infrastructure.postgres.faults import describe, is_passing, translate
from casare_rpa.infrastructure.queue.consuming.execution import error_text, execute, failed, released
from casare_rpa.infrastructure.queue.consuming.settlement import Settlement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from uuid import UUID

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.consuming.claiming import Claimed, Claimer
    from casare_rpa.infrastructure.queue.consuming.leases import Leases
    from casare_rpa.infrastructure.queue.consuming.lifeline import Lifeline
    from casare_rpa.infrastructure.queue.consuming.settler import Fate, Settler
    from casare_rpa.infrastructure.queue.models import JobModel
    from casare_rpa.infrastructure.telemetry.attempt import Attempt
    from casare_rpa.infrastructure.telemetry.robot import RobotTelemetry

REFUSALS = (InvalidJob, asyncpg.DataError, asyncpg.ProgramLimitExceededError)
"""What the database says of a result that it cannot hold; everything else is its own trouble, and no fault of the job."""
LONGEST_IDLE = 5.0
"""Seconds between looks for work at most, whatever the poll interval: even proven notifications may be lost."""
SETTLE_AGAIN = 0.2
"""Seconds until a settlement is sent again that the database was away for."""
BUSY_AFTER = 0.5
"""Seconds without a free slot, or with more jobs than slots, after which a robot need not hear of new jobs."""


class Work:
    """The jobs that one consumer works on. It lives in the consumer's event loop."""

    def __init__(
        self,
        config: QueueConfig,
        claimer: Claimer,
        settler: Settler,
        leases: Leases,
        lifeline: Lifeline,
        result_limit: int,
        telemetry: RobotTelemetry,
    ) -> None:
        self._config = config
        self._claimer = claimer
        self._settler = settler
        self._leases = leases
        self._lifeline = lifeline
        self._result_limit = result_limit
        self._telemetry = telemetry
        self._tasks: dict[UUID | None, tuple[asyncio.Task[None], Settlement, Attempt]] = {}
        """What runs, by lease token: a robot that has lost a job may claim it again before its first handler has ended."""
        self._newest: dict[UUID | None, UUID | None] = {}
        """The newest token of each job that runs."""
        self._waiting: list[Settlement] = []
        self._claims_at_once = False
        self._lost: set[UUID | None] = set()
        self._asked: set[UUID | None] = set()
        self._wake = asyncio.Event()
        self._slot_freed = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._stopping = False
        self._busy_since: float | None = None
        self._claims_no_more = asyncio.Event()
        self._claims_no_more.set()

    async def run(self, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        """Work until `stop_claiming`, then return once every handler has ended.

        Raises:
            CasareError: the database refuses this consumer for good, for example its login or its schema.

        """
        self._claims_no_more.clear()
        try:
            await self._claim_until_stopped(handler)
        finally:
            self._claims_no_more.set()
        await self.ended()

    async def _claim_until_stopped(self, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        backoff = Backoff(longest=LONGEST_IDLE / 1.5)
        idle = self._config.poll_interval
        try:
            while not self._stopping:
                settling = bool(self._waiting)
                try:
                    async with self._claimer.slots:
                        wanted = min(self._free_slots(), self._config.batch_size)
                        claimed = await self._settle_and_claim(wanted) if wanted > 0 else None
                except Exception as error:
                    if not is_passing(error) and not settling:  # a bad settlement is told to whoever settles
                        raise translate(error) from error
                    self._telemetry.database.retrying(describe(error))
                    await asyncio.sleep(backoff.next())
                    continue
                if claimed is None:
                    self._is_busy(True)
                    self._settle_apart()
                    await self._wait_for_a_slot()
                    continue
                backoff.reset()
                self._telemetry.database.back()
                if self._is_stopping():
                    return  # what this claim brought is released with everything else that is held
                for job in claimed.jobs:
                    self._begin(job, handler)
                self._is_busy(len(claimed.jobs) >= wanted)
                if len(claimed.jobs) >= wanted:
                    await asyncio.sleep(0)
                    continue
                idle = self._next_idle(idle, found=bool(claimed.jobs))
                await self._wait_for_work(idle, claimed.next_due)
        finally:
            self._settle_apart()

    def _free_slots(self) -> int:
        """Slots that are free, or will be with the next claim, which settles what waits for it."""
        return self._config.max_concurrent_jobs - len(self._leases) + len(self._waiting)

    async def _settle_and_claim(self, wanted: int) -> Claimed:
        self._wake.clear()
        settling = list(self._waiting)
        try:
            claimed = await self._claimer.claim(wanted, start=True, settling=settling)
        except BaseException:
            self._settle_apart()
            raise
        del self._waiting[: len(settling)]
        for settlement, status in zip(settling, claimed.statuses, strict=True):
            self._settled(settlement, status)
        return claimed

    def _settle_apart(self) -> None:
        """Settle without a claim what waited for one, also when it may have been settled with the claim that just failed."""
        waiting, self._waiting = self._waiting, []
        for settlement in waiting:
            self._settler.submit(settlement, self._settled)

    def _is_busy(self, busy: bool) -> None:
        """Hear of new jobs as soon as there is nothing to do, and no more once there has been enough for a while."""
        if not busy:
            self._busy_since = None
            self._lifeline.want_jobs(True)
        elif self._busy_since is None:
            self._busy_since = time.monotonic()
        elif time.monotonic() - self._busy_since > BUSY_AFTER:
            self._lifeline.want_jobs(False)

    def _next_idle(self, idle: float, *, found: bool) -> float:
        """Return how long to wait for work: longer each time nothing was found, while notifications are known to arrive."""
        poll = min(self._config.poll_interval, LONGEST_IDLE)
        longest = LONGEST_IDLE if self._lifeline.hears_of_jobs else poll
        idle = poll if found else min(idle * 1.5, longest)
        return idle * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, guards nothing

    def _is_stopping(self) -> bool:
        return self._stopping

    def stop_claiming(self) -> None:
        """Claim no more; what runs goes on."""
        self._stopping = True
        self.wake()
        self._slot_freed.set()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def claims_no_more(self) -> None:
        """Wait until the claim that was under way has come back."""
        await self._claims_no_more.wait()

    async def ended(self, grace: float | None = None) -> bool:
        """Wait until every handler has ended and is settled, `grace` seconds at most; return whether they have."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._all_ended.wait()
        return not self._tasks

    def give_up(self) -> None:
        """Wait no more for handlers that do not end: their leases are no longer kept."""
        self._all_ended.set()

    async def cancel_all(self) -> None:
        """Cancel every handler; their jobs are released."""
        self.cancel_handlers()
        await self.ended(grace=5.0)

    def cancel_handlers(self) -> None:
        """Ask every handler to end now; its job is released when it does."""
        for task, lease, _ in list(self._tasks.values()):
            self._cancel(task, lease)

    def cancel(self, tokens: Iterable[UUID | None], *, lost: bool) -> None:
        """Cancel the handlers of these attempts: their leases are lost, or somebody asked to cancel their jobs."""
        for token in tokens:
            if token in self._tasks:
                task, lease, attempt = self._tasks[token]
                if lost and token not in self._lost:
                    self._lost.add(token)
                    self._telemetry.lease_lost(attempt)
                self._cancel(task, lease)

    def _begin(self, job: JobModel, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        if job.id in self._newest:
            self.cancel([self._newest[job.id]], lost=True)
        attempt = self._telemetry.attempt(job)
        task = asyncio.create_task(self._work(job, handler, attempt))
        self._tasks[job.lease_token] = (task, released(job), attempt)
        self._newest[job.id] = job.lease_token
        self._all_ended.clear()

    async def _work(self, job: JobModel, handler: Callable[[JobModel], Awaitable[Any]], attempt: Attempt) -> None:
        lease = released(job)  # what the handler does to the model cannot change it
        self._telemetry.begun(attempt)
        with attempt:
            try:
                settlement = await execute(job, handler, self._result_limit)
            except asyncio.CancelledError as error:
                # A cancellation that nobody asked for is the handler's own doing, and its failure.
                settlement = lease if lease.token in self._asked else failed(job, error)
            except Exception as error:  # noqa: BLE001 - whatever came up, the attempt ends
                settlement = lease._replace(outcome="failed", error=error_text(error))
            attempt.ended(settlement.outcome, settlement.error)
        self._settle(settlement._replace(job_id=lease.job_id, token=lease.token))

    def _cancel(self, task: asyncio.Task[None], lease: Settlement) -> None:
        self._asked.add(lease.token)
        task.cancel()
        task.add_done_callback(partial(self._cancelled, lease))

    def _cancelled(self, lease: Settlement, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # before its first step, which would have caught it
            self._settle(lease)

    def _settle(self, settlement: Settlement) -> None:
        """Begin to settle: with the next claim when that is made at once, else apart. The slot is free afterwards."""
        if settlement.token in self._lost:
            self._end(settlement, None)
        elif self._claims_at_once:
            self._waiting.append(settlement)
            self._slot_freed.set()
            self._wake.set()
        else:
            self._settler.submit(settlement, self._settled)

    def _settled(self, settlement: Settlement, fate: Fate) -> None:
        if isinstance(fate, DatabaseUnavailable):
            if self._stopping:
                self._end(settlement, fate)  # the job is neither done nor failed: its lease runs out
            else:  # however long it is away: the lease may still hold when it comes back
                asyncio.get_running_loop().call_later(SETTLE_AGAIN, self._settle, settlement)
        elif isinstance(fate, REFUSALS) and settlement.outcome == "completed":
            # The database refuses what the handler brought, for example as too large: another run would bring it again.
            self._settle(Settlement(settlement.job_id, settlement.token, "business", error=error_text(fate)))
        else:
            self._end(settlement, fate)

    def _end(self, settlement: Settlement, fate: Fate) -> None:
        self._tell(settlement, fate)
        self._leases.drop(settlement.job_id, settlement.token)
        self._tasks.pop(settlement.token, None)
        self._lost.discard(settlement.token)
        self._asked.discard(settlement.token)
        if self._newest.get(settlement.job_id) == settlement.token:
            del self._newest[settlement.job_id]
        self._slot_freed.set()
        if not self._tasks:
            self._all_ended.set()

    def _tell(self, settlement: Settlement, fate: Fate) -> None:
        if settlement.token not in self._tasks:
            return
        attempt = self._tasks[settlement.token][2]
        if isinstance(fate, Exception):
            self._telemetry.settlement_given_up(attempt, settlement.outcome, describe(fate))
        elif fate is not None:
            self._telemetry.settled(attempt, settlement.outcome, fate, settlement.error)
        elif settlement.token not in self._lost:  # else it is known already
            self._telemetry.lease_lost(attempt)

    async def _wait_for_a_slot(self) -> None:
        self._slot_freed.clear()
        await self._wait(self._slot_freed, 1.0)  # a lease may also end by hand, unseen from here

    async def _wait_for_work(self, idle: float, next_due: float | None) -> None:
        await self._wait(self._wake, idle if next_due is None else min(idle, next_due + 0.001))

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for an event; until then the loop can claim at once."""
        if self._stopping:
            return
        self._claims_at_once = True
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._claims_at_once = False
