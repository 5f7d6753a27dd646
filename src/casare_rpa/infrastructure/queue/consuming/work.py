"""`run()`: claims jobs while slots are free, awaits the handler for each, settles; until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import DatabaseUnavailable, InvalidJob
from casare_rpa.infrastructure.postgres.faults import describe, is_passing, translate
from casare_rpa.infrastructure.queue.consuming.execution import error_text
from casare_rpa.infrastructure.queue.consuming.settlement import Settlement
from casare_rpa.infrastructure.queue.consuming.slots import Execution, Slots
from casare_rpa.infrastructure.queue.models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.consuming.claiming import Claimed, Claimer
    from casare_rpa.infrastructure.queue.consuming.leases import Leases
    from casare_rpa.infrastructure.queue.consuming.lifeline import Lifeline
    from casare_rpa.infrastructure.queue.consuming.settler import Fate, Settler
    from casare_rpa.infrastructure.queue.consuming.slots import Handler
    from casare_rpa.infrastructure.queue.models import JobModel
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
        self._executions: dict[UUID | None, Execution] = {}
        """What is not settled yet, by lease token: a lost job may be claimed again before its first handler has ended."""
        self._waiting: list[Settlement] = []
        """What the next claim settles."""
        self._claims_next = False
        """Whether the next claim is a matter of a moment, so that settlements should wait for it."""
        self._wake = asyncio.Event()
        self._slot_freed = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._stopping = False
        self._busy_since: float | None = None
        self._claims_no_more = asyncio.Event()
        self._claims_no_more.set()

    async def run(self, handler: Handler) -> None:
        """Work until `stop_claiming`, then return once every handler has ended.

        Raises:
            CasareError: the database refuses this consumer for good, for example its login or its schema.

        """
        self._claims_no_more.clear()
        self._claims_next = True
        try:
            await self._claim_until_stopped(Slots(handler, self._result_limit, self._handler_ended))
        finally:
            self._claims_next = False
            self._settle_apart()
            self._claims_no_more.set()
        await self.ended()

    async def _claim_until_stopped(self, slots: Slots) -> None:
        backoff = Backoff(longest=LONGEST_IDLE / 1.5)
        idle = self._config.poll_interval
        while not self._stopping:
            settling = bool(self._waiting)
            self._claims_next = False
            try:
                async with self._claimer.slots:
                    wanted = min(self._free_slots(), self._config.batch_size)
                    claimed = await self._settle_and_claim(wanted) if wanted > 0 else None
            except Exception as error:
                if not is_passing(error):
                    if not settling:
                        raise translate(error) from error
                    continue  # a bad settlement is told to whoever settles, and does not hold up the next claim
                self._telemetry.database.retrying(describe(error))
                await asyncio.sleep(backoff.next())
                continue
            self._claims_next = True
            if claimed is None:
                self._is_busy(True)
                self._settle_apart()
                await self._wait_for_a_slot()
                continue
            backoff.reset()
            self._telemetry.database.back()
            if self._is_stopping():
                return  # what this claim brought is released with everything else that is held
            self._begin(claimed.jobs, slots)
            self._is_busy(len(claimed.jobs) >= wanted)
            if len(claimed.jobs) >= wanted:
                await asyncio.sleep(0)
                continue
            idle = self._next_idle(idle, found=bool(claimed.jobs))
            await self._wait_for_work(idle, claimed.next_due)

    def _free_slots(self) -> int:
        """Slots that are free, or will be with the next claim, which settles what waits for it."""
        return self._config.max_concurrent_jobs - len(self._leases) + len(self._waiting)

    async def _settle_and_claim(self, wanted: int) -> Claimed:
        self._wake.clear()
        settling, self._waiting = self._waiting, []
        try:
            claimed = await self._claimer.claim(wanted, start=True, settling=settling)
            self._settled_with_claim(settling, claimed.statuses)
        except BaseException:  # it may have been settled all the same
            self._waiting[:0] = settling
            self._settle_apart()
            raise
        return claimed

    def _settled_with_claim(self, settlements: list[Settlement], statuses: Sequence[JobStatus | None]) -> None:
        for settlement, status in zip(settlements, statuses, strict=True):
            if status is not JobStatus.COMPLETED or self._telemetry.tells_of_ends:
                self._tell(settlement, status)
            self._executions.pop(settlement.token, None)
        self._leases.drop_all([(settlement.job_id, settlement.token) for settlement in settlements])
        self._slots_freed()

    def _settle_apart(self) -> None:
        """Settle what waits for a claim without one."""
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
        return not self._executions

    def give_up(self) -> None:
        """Wait no more for handlers that do not end: their leases are no longer kept."""
        self._all_ended.set()

    async def cancel_all(self) -> None:
        """Cancel every handler; their jobs are released."""
        self.cancel_handlers()
        await self.ended(grace=5.0)

    def cancel_handlers(self) -> None:
        """Ask every handler to end now; its job is released when it does."""
        for execution in list(self._executions.values()):
            execution.cancel()

    def cancel(self, tokens: Iterable[UUID | None], *, lost: bool) -> None:
        """Cancel the handlers of these attempts: their leases are lost, or somebody asked to cancel their jobs."""
        for token in tokens:
            execution = self._executions.get(token)
            if execution is None or execution.ended:
                continue  # a heartbeat that crosses a settlement on its way finds the lease gone
            if lost and not execution.lost:
                execution.lost = True
                self._telemetry.lease_lost(execution.attempt)
            execution.cancel()

    def _begin(self, jobs: Sequence[JobModel], slots: Slots) -> None:
        if not jobs:
            return
        executions = [Execution(job, self._telemetry.attempt(job)) for job in jobs]
        self._executions.update((execution.token, execution) for execution in executions)
        self._telemetry.begun(execution.attempt for execution in executions)
        self._all_ended.clear()
        slots.begin(executions)

    def _handler_ended(self, execution: Execution, settlement: Settlement) -> None:
        if execution.lost:
            self._end(settlement, None)
        else:
            self._settle(settlement)

    def _settle(self, settlement: Settlement) -> None:
        """Begin to settle: with the next claim when that is made at once, else apart. The slot is free afterwards."""
        if self._claims_next:
            if not self._waiting:
                self._slot_freed.set()
                self._wake.set()
            self._waiting.append(settlement)
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
        self._executions.pop(settlement.token, None)
        self._slots_freed()

    def _slots_freed(self) -> None:
        self._slot_freed.set()
        if not self._executions:
            self._all_ended.set()

    def _tell(self, settlement: Settlement, fate: Fate) -> None:
        execution = self._executions.get(settlement.token)
        if execution is None:
            return
        if isinstance(fate, Exception):
            self._telemetry.settlement_given_up(execution.attempt, settlement.outcome, describe(fate))
        elif fate is not None:
            self._telemetry.settled(execution.attempt, settlement.outcome, fate, settlement.error)
        elif not execution.lost:  # else it is known already
            self._telemetry.lease_lost(execution.attempt)

    async def _wait_for_a_slot(self) -> None:
        self._slot_freed.clear()
        await self._wait(self._slot_freed, 1.0)  # a lease may also end by hand, unseen from here

    async def _wait_for_work(self, idle: float, next_due: float | None) -> None:
        await self._wait(self._wake, idle if next_due is None else min(idle, next_due + 0.001))

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        if not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
