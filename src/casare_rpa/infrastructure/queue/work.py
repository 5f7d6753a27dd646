"""`run()`: claims jobs while slots are free, awaits the handler for each, settles; until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import DatabaseUnavailable
from casare_rpa.infrastructure.postgres.faults import is_passing, translate
from casare_rpa.infrastructure.queue.execution import execute, failed, released

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from casare_rpa.infrastructure.queue.claiming import Claimer
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.leases import Leases
    from casare_rpa.infrastructure.queue.lifeline import Lifeline
    from casare_rpa.infrastructure.queue.models import JobModel
    from casare_rpa.infrastructure.queue.settlement import Settlement
    from casare_rpa.infrastructure.queue.settler import Fate, Settler

LONGEST_IDLE = 5.0
"""Seconds between looks for work of an idle robot whose notifications are proven to arrive."""
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
    ) -> None:
        self._config = config
        self._claimer = claimer
        self._settler = settler
        self._leases = leases
        self._lifeline = lifeline
        self._result_limit = result_limit
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._lost: set[UUID] = set()
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
        backoff = Backoff()
        idle = self._config.poll_interval
        while not self._stopping:
            wanted = min(self._config.max_concurrent_jobs - len(self._leases), self._config.batch_size)
            if wanted <= 0:
                self._is_busy(True)
                await self._wait_for_a_slot()
                continue
            self._wake.clear()
            try:
                claimed = await self._claimer.claim(wanted, start=True)
            except Exception as error:
                if not is_passing(error):
                    raise translate(error) from error
                await self._sleep(backoff.next())
                continue
            backoff.reset()
            if self._is_stopping():
                return  # what this claim brought is released with everything else that is held
            for job in claimed.jobs:
                self._begin(job, handler)
            self._is_busy(len(claimed.jobs) >= wanted)
            if len(claimed.jobs) >= wanted:
                await asyncio.sleep(0)
                continue
            idle = self._next_idle(idle, found=bool(claimed.jobs))
            await self._sleep(idle if claimed.next_due is None else min(idle, claimed.next_due + 0.001))

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
        poll = self._config.poll_interval
        longest = max(LONGEST_IDLE, poll) if self._lifeline.hears_of_jobs else poll
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

    async def cancel_all(self) -> None:
        """Cancel every handler; their jobs are released."""
        for task in self._tasks.values():
            task.cancel()
        await self.ended(grace=5.0)

    def cancel(self, job_ids: list[UUID], *, lost: bool) -> None:
        """Cancel the handlers of these jobs: their leases are lost, or somebody asked to cancel them."""
        for job_id in job_ids:
            task = self._tasks.get(job_id)
            if task is not None:
                if lost:
                    self._lost.add(job_id)
                task.cancel()

    def _begin(self, job: JobModel, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        assert job.id is not None  # noqa: S101 - claimed jobs have one
        task = asyncio.create_task(self._work(job, handler))
        self._tasks[job.id] = task
        self._all_ended.clear()

    async def _work(self, job: JobModel, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        try:
            settlement = await execute(job, handler, self._result_limit)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            asked = task is not None and task.cancelling() > 0
            settlement = (
                released(job) if asked else failed(job, error)
            )  # one that nobody asked for is the handler's own
        self._settle(settlement)

    def _settle(self, settlement: Settlement) -> None:
        """Begin to settle; the slot is free when the database has answered."""
        if settlement.job_id in self._lost:
            self._end(settlement)
        else:
            self._settler.submit(settlement, self._settled)

    def _settled(self, settlement: Settlement, fate: Fate) -> None:
        if isinstance(fate, DatabaseUnavailable) and not self._stopping:
            self._settle(settlement)  # however long the database is away: the lease may still hold when it comes back
        else:
            self._end(settlement)

    def _end(self, settlement: Settlement) -> None:
        self._leases.drop(settlement.job_id, settlement.token)
        self._tasks.pop(settlement.job_id, None)
        self._lost.discard(settlement.job_id)
        self._slot_freed.set()
        if not self._tasks:
            self._all_ended.set()

    async def _wait_for_a_slot(self) -> None:
        self._slot_freed.clear()
        if len(self._leases) >= self._config.max_concurrent_jobs and not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # a lease may also end by hand, unseen from here
                    await self._slot_freed.wait()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
