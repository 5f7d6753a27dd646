"""A producer's side connection: tells robots of new jobs after the commit, and does upkeep.

A notification inside the enqueuing transaction would take a lock of the whole database at its commit, so it goes apart: at once,
then at most once in a few milliseconds, and only where a robot waits for it. It is an accelerator: what is lost is found by
polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.infrastructure.postgres.connection import connect

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.calls import Calls
    from casare_rpa.infrastructure.queue.config import QueueConfig

SHORTEST_GAP = 0.005
LONGEST_GAP = 0.05
GAP_PER_ROBOT = 0.0001
"""Seconds between announcements: each wakes the listening session of every robot in the server, whichever of them it is for."""
GAP_OF_NOBODY = 0.02
"""Seconds between announcements while no robot waits: one that begins to wait looks for jobs by itself."""


class Announcer:
    """Announces jobs and does upkeep from `start` to `stop`. It lives in the producer's event loop."""

    def __init__(self, config: QueueConfig, calls: Calls) -> None:
        self._config = config
        self._calls = calls
        self._jobs: dict[str, int] = {}
        self._told = asyncio.Event()
        self._upkeep_due = time.monotonic() + 1.0
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start; the connection is opened when there is something to say or the upkeep is due."""
        self._task = asyncio.create_task(self._live(), name="casare announcer")

    async def stop(self) -> None:
        """Say what is left to say, then end; stopping twice is safe."""
        self._stopping = True
        self._told.set()
        if self._task is not None:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._task, 2.0)

    def tell(self, jobs_by_queue: dict[str, int]) -> None:
        """Announce jobs that have been committed."""
        for queue, jobs in jobs_by_queue.items():
            self._jobs[queue] = self._jobs.get(queue, 0) + jobs
        self._told.set()

    async def _live(self) -> None:
        backoff = Backoff(first=0.1, longest=5.0)
        while not self._stopping or self._jobs:
            await self._pause(self._upkeep_due - time.monotonic())
            if not self._jobs and time.monotonic() < self._upkeep_due:
                continue
            connection = None
            try:
                connection = await self._connect()
                backoff.reset()
                await self._serve(connection)
            except Exception:  # noqa: BLE001 - whatever ended the connection, the answer is a new one
                if self._stopping:
                    return
                await asyncio.sleep(backoff.next())
            finally:
                if connection is not None:
                    connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        url, own_session = self._config.require_url(), self._config.has_own_sessions
        return await connect(url, "casare announcer", own_session=own_session)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        while not self._stopping or self._jobs:
            if self._jobs:
                jobs, self._jobs = self._jobs, {}
                fleet = await self._calls.announce(connection, jobs)
                await asyncio.sleep(
                    min(LONGEST_GAP, max(SHORTEST_GAP, GAP_PER_ROBOT * fleet)) if fleet else GAP_OF_NOBODY
                )
            if time.monotonic() >= self._upkeep_due:
                self._upkeep_due = time.monotonic() + await self._keep_up(connection)
            if not self._jobs and not self._stopping:
                await self._pause(self._upkeep_due - time.monotonic())

    async def _keep_up(self, connection: asyncpg.Connection) -> float:
        """Do a pass of the upkeep and return the seconds until the next; a login that may only look does none."""
        try:
            return await self._calls.upkeep(connection)
        except asyncpg.InsufficientPrivilegeError:
            return math.inf

    async def _pause(self, seconds: float) -> None:
        if seconds > 0 and not self._jobs and not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._told.wait()
        self._told.clear()
