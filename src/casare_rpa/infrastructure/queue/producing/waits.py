"""The jobs that one producer waits for: all of them are asked about together, ever more slowly while none of them ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import ConfigError, JobNotFound
from casare_rpa.infrastructure.postgres.faults import is_passing, translate
from casare_rpa.infrastructure.queue.models import MAX_BATCH, JobModel
from casare_rpa.infrastructure.queue.rows import found_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue.calls import Rows
    from casare_rpa.infrastructure.queue.events import JobEvent
    from casare_rpa.infrastructure.queue.producing.subscriber import Subscriber

SHORTEST_PAUSE = 0.02
LONGEST_PAUSE = 1.0
"""Seconds between looks."""
GROWTH = 1.5
REST = 10
"""A look is followed by a pause of so many times its own length at least: waiting for thousands must not fill a server."""
LISTEN_AFTER = 0.5
"""Seconds after which the events of a job are subscribed to; what ends sooner is found as fast by looking."""


class Ear:
    """Lets a job that is waited for be looked at as soon as its end is heard of."""

    def __init__(self, job_id: UUID, look: Callable[[UUID], None]) -> None:
        self.target: UUID | str = job_id
        self._job_id = job_id
        self.hearing = False
        self._look = look

    def hear(self, event: JobEvent) -> None:
        if event.is_final:
            self._look(self._job_id)

    def fail(self, error: Exception) -> None:
        """Without events it is found by looking."""


class Waits:
    """Waits for jobs to end. It lives in the producer's event loop.

    Args:
        look: calls `find_ended` once.

    """

    def __init__(self, look: Callable[[Sequence[UUID]], Awaitable[Rows]]) -> None:
        self._look = look
        self._waiting: dict[UUID, set[asyncio.Future[JobModel]]] = {}
        self._new: set[UUID] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pause = SHORTEST_PAUSE
        self._closed = False

    async def ended(self, job_id: UUID, subscriber: Subscriber) -> JobModel:
        """Return a job as soon as it has ended; that it has may be heard from the subscriber.

        Raises:
            JobNotFound: there is none with this id.
            ConfigError: the producer was closed meanwhile.

        """
        if self._closed:
            raise _closed()
        future: asyncio.Future[JobModel] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        self._look_at(job_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_until_all_ended(), name="casare waits")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LISTEN_AFTER):
                    return await asyncio.shield(future)
            if not subscriber.has_room:
                return await future
            ear = Ear(job_id, self._look_at)
            subscriber.add(ear)
            try:
                return await future
            finally:
                subscriber.remove(ear)
        finally:
            self._forget(job_id, future)

    async def close(self) -> None:
        """Let everybody who waits get an error; closing twice is safe."""
        self._closed = True
        for job_id in list(self._waiting):
            self._answer(job_id, _closed)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _look_at(self, job_id: UUID) -> None:
        """Ask about this job at once, and about all of them soon."""
        self._new.add(job_id)
        self._pause = SHORTEST_PAUSE
        self._news.set()

    def _forget(self, job_id: UUID, future: asyncio.Future[JobModel]) -> None:
        future.cancel()
        futures = self._waiting.get(job_id, set())
        futures.discard(future)
        if not futures:
            self._waiting.pop(job_id, None)
            self._new.discard(job_id)

    async def _look_until_all_ended(self) -> None:
        backoff = Backoff(first=0.05, longest=2.0)
        looked, took = 0.0, 0.0
        while self._waiting:
            due = looked + max(self._pause, REST * took)
            began = time.monotonic()
            if began < due and not self._new:
                await self._rest(due - began)
                continue
            asked = list(self._waiting if began >= due else self._new)
            self._new.clear()
            try:
                found = await self._ask(asked)
            except Exception as error:  # noqa: BLE001 - it is told to those who wait, or passes
                if is_passing(error):
                    await asyncio.sleep(backoff.next())
                    self._new.update(job_id for job_id in asked if job_id in self._waiting)
                else:
                    self._refuse(asked, error)
                continue
            backoff.reset()
            self._pause = SHORTEST_PAUSE if found else min(self._pause * GROWTH, LONGEST_PAUSE)
            if began >= due:
                looked = time.monotonic()
                took = looked - began

    async def _ask(self, asked: list[UUID]) -> int:
        found = 0
        for start in range(0, len(asked), MAX_BATCH):
            for row in await self._look(asked[start : start + MAX_BATCH]):
                found += 1
                self._answer(row["id"], partial(_meaning, row))
        return found

    def _answer(self, job_id: UUID, make: Callable[[], JobModel | Exception]) -> None:
        """Give everybody who waits for a job an answer of his own; one that cannot be made is an error that he gets."""
        for future in self._waiting.pop(job_id, set()):
            if future.done():
                continue
            try:
                answer = make()
            except Exception as error:  # noqa: BLE001 - whoever waits would wait for ever
                answer = error
            if isinstance(answer, JobModel):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    def _refuse(self, asked: list[UUID], error: Exception) -> None:
        meaning = translate(error)
        for job_id in asked:
            self._answer(job_id, lambda: _twin(meaning if isinstance(meaning, Exception) else error))

    async def _rest(self, seconds: float) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()


def _meaning(row: asyncpg.Record) -> JobModel | JobNotFound:
    return JobNotFound(row["id"]) if row["status"] is None else found_job(row)


def _twin(error: Exception) -> Exception:
    """Return an error like this one: raising writes a traceback into it, so no two tasks may share one."""
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error
    return twin


def _closed() -> ConfigError:
    return ConfigError("the producer was closed while somebody waited for a job: the job itself goes on")
