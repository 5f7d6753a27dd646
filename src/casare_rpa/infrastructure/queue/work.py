"""`run()`: claims jobs while slots are free, awaits the handler for each, settles; until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import CasareError, DatabaseUnavailable
from casare_rpa.infrastructure.postgres.faults import is_passing, translate
from casare_rpa.infrastructure.queue.execution import execute, released

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from casare_rpa.infrastructure.queue.claiming import Claimer
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.leases import Leases
    from casare_rpa.infrastructure.queue.lifeline import Lifeline
    from casare_rpa.infrastructure.queue.models import JobModel
    from casare_rpa.infrastructure.queue.settlement import Settlement
    from casare_rpa.infrastructure.queue.settler import Settler

LONGEST_IDLE = 5.0
"""Seconds between looks for work of an idle robot whose notifications are proven to arrive."""


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
        self._stopping = False

    async def run(self, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        """Work until `stop_claiming`, then return once every handler has ended.

        Raises:
            CasareError: the database refuses this consumer for good, for example its login or its schema.

        """
        backoff = Backoff()
        idle = self._config.poll_interval
        while not self._stopping:
            wanted = min(self._config.max_concurrent_jobs - len(self._leases), self._config.batch_size)
            if wanted <= 0:
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
            for job in claimed.jobs:
                self._begin(job, handler)
            if len(claimed.jobs) >= wanted:
                await asyncio.sleep(0)
                continue
            idle = self._config.poll_interval if claimed.jobs else idle * 1.5
            idle = min(idle, max(LONGEST_IDLE, self._config.poll_interval)) if self._lifeline.hears else self._config.poll_interval
            pause = idle * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, guards nothing
            await self._sleep(pause if claimed.next_due is None else min(pause, claimed.next_due + 0.001))
        await self.ended()

    def stop_claiming(self) -> None:
        """Claim no more; what runs goes on."""
        self._stopping = True
        self.wake()
        self._slot_freed.set()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def ended(self, grace: float | None = None) -> bool:
        """Wait until every handler has ended, `grace` seconds at most; return whether they have."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=grace)
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
        task = asyncio.create_task(self._work(job, handler), name=f"casare job {job.id}")
        self._tasks[job.id] = task

    async def _work(self, job: JobModel, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        assert job.id is not None  # noqa: S101
        try:
            try:
                settlement = await execute(job, handler, self._result_limit)
            except asyncio.CancelledError:
                settlement = released(job)
            if job.id not in self._lost:
                await self._settle(settlement)
        finally:
            self._leases.drop(job.id, job.lease_token)
            self._tasks.pop(job.id, None)
            self._lost.discard(job.id)
            self._slot_freed.set()

    async def _settle(self, settlement: Settlement) -> None:
        """Settle, however long the database is away: the lease may still hold when it comes back."""
        while True:
            try:
                await asyncio.shield(self._settler.settle(settlement))
            except DatabaseUnavailable:
                if self._stopping:
                    return
            except asyncio.CancelledError:
                if self._stopping or settlement.job_id in self._lost:
                    return
            except CasareError:
                return
            else:
                return

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
