"""A producer's listening connection: hears what becomes of jobs while somebody wants to know.

An event is an accelerator like every notification: who follows a job looks at it once more after every doubt. The connection
proves that it hears with every subscription and every renewal of one: the hello is sent by another session.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from itertools import islice
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid4

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.postgres.faults import is_passing, translate
from casare_rpa.infrastructure.queue.backend import NOTHING_HEARD
from casare_rpa.infrastructure.queue.events import JobEvent, events_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from casare_rpa.infrastructure.queue.backend import Backend

    Call = Callable[[Callable[[asyncpg.Connection], Awaitable[None]]], Awaitable[None]]

MOST = 100
"""Queues, and jobs, that one connection hears of at most; who follows a further job looks at it instead."""
RENEW_AFTER = 10.0
"""Seconds after which a subscription is renewed; the database forgets it after 30."""
SHORTEST_GAP = 0.05
"""Seconds between two changes of a subscription: what is wanted meanwhile is said together."""
HELLO_WITHIN = 5.0
"""Seconds within which a hello must arrive."""
LINGER = 15.0
"""Seconds that a connection stays open when nobody wants to hear anything, for whoever comes next."""
REFUSED_FOR = 60.0
"""Seconds until it is tried again to hear for those who follow a job, where that was refused."""


class Watcher(Protocol):
    """Somebody who wants to hear of one job or of one queue. Calls come from the event loop."""

    target: UUID | str
    """The job's id, or the queue's name."""
    hearing: bool
    """Whether events arrive now; set by the subscriber."""

    def hear(self, event: JobEvent) -> None:
        """An event; ``following`` comes before the first, ``gap`` when some may be missing."""

    def fail(self, error: Exception) -> None:
        """Events cannot be heard, or not any more."""


class Subscriber:
    """Hears events for its watchers. It lives in the producer's event loop.

    Args:
        backend: where the connection comes from.
        call: makes one call over the producer's pool.

    """

    def __init__(self, backend: Backend, call: Call) -> None:
        self._backend = backend
        self._calls = backend.calls
        self._call = call
        self._watchers: dict[UUID | str, dict[Watcher, bool]] = {}
        """By target; whether a watcher has heard anything so far."""
        self._poked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._broken = False
        self._hello = ""
        self._greeted: list[Watcher] = []
        self._hello_heard = asyncio.Event()
        self._proven = False
        self._refused_until = 0.0
        self._closed = False

    @property
    def has_room(self) -> bool:
        """Whether a further job could be heard of."""
        return len(self._watchers) < MOST

    def add(self, watcher: Watcher) -> None:
        """Let somebody hear of a job or a queue from now on.

        Raises:
            ConfigError: the producer is closed, or follows 100 queues already.

        """
        if self._closed:
            raise _closed()
        if isinstance(watcher.target, str) and len(self._queues() | {watcher.target}) > MOST:
            raise ConfigError(f"a producer follows {MOST} queues at most: use another producer for further ones")
        self._watchers.setdefault(watcher.target, {})[watcher] = False
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._live(), name="casare subscriber")
        self._poked.set()

    def remove(self, watcher: Watcher) -> None:
        """Let somebody hear no more."""
        watchers = self._watchers.get(watcher.target, {})
        watchers.pop(watcher, None)
        if not watchers and self._watchers.pop(watcher.target, None) is not None:
            self._poked.set()

    async def close(self) -> None:
        """Let everybody who hears get an error, and disconnect; closing twice is safe."""
        self._closed = True
        watchers, self._watchers = self._all(), {}
        for watcher in watchers:
            watcher.fail(_closed())
        self._poked.set()
        if self._task is not None:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._task, 2.0)

    async def _live(self) -> None:
        backoff = Backoff(first=0.1, longest=5.0)
        while self._watchers:
            refused_for = self._refused_until - time.monotonic()
            if refused_for > 0 and not self._queues():
                await self._pause(refused_for)
                continue
            connection = None
            try:
                connection = await self._backend.connect_to_listen("casare subscriber")
                self._broken = False
                channel = uuid4()
                await self._calls.listen(connection, channel, self._heard, self._break)
                await self._serve(channel, backoff)
            except Exception as error:  # noqa: BLE001 - told to those who cannot do without, else tried again
                if is_passing(error):
                    await self._pause(backoff.next())
                else:
                    self._refuse(translate(error))
            finally:
                for watcher in self._all():
                    watcher.hearing = False
                if connection is not None:
                    connection.terminate()

    async def _serve(self, channel: UUID, backoff: Backoff) -> None:
        """Keep the subscription what the watchers want it to be, until nobody has wanted anything for a while."""
        idle_since: float | None = None
        said, renew_at = False, 0.0
        try:
            while not self._closed and (idle_since is None or time.monotonic() < idle_since + LINGER):
                if self._broken:
                    raise ConnectionResetError("the connection that listens is gone")
                if not self._watchers:
                    idle_since = idle_since or time.monotonic()
                    if said:
                        await self._call(lambda c: self._calls.unsubscribe(c, channel))
                        said = False
                    await self._pause(idle_since + LINGER - time.monotonic())
                    continue
                idle_since = None
                jobs = self._jobs()
                targets: list[UUID | str] = [*self._queues(), *jobs]
                greeted = [watcher for target in targets for watcher in self._watchers[target]]
                if time.monotonic() >= renew_at or not all(watcher.hearing for watcher in greeted):
                    renew_at, said = time.monotonic() + RENEW_AFTER, True
                    await self._say(channel, list(self._queues()), jobs, greeted)
                    backoff.reset()
                    await asyncio.sleep(SHORTEST_GAP)
                await self._pause(renew_at - time.monotonic())
        finally:
            if said:
                with contextlib.suppress(Exception):  # the database forgets it by itself
                    await self._call(lambda c: self._calls.unsubscribe(c, channel))

    def _all(self) -> list[Watcher]:
        return [watcher for watchers in self._watchers.values() for watcher in watchers]

    def _queues(self) -> set[str]:
        return {target for target in self._watchers if isinstance(target, str)}

    def _jobs(self) -> list[UUID]:
        return list(islice((target for target in self._watchers if isinstance(target, UUID)), MOST))

    async def _say(self, channel: UUID, queues: list[str], jobs: list[UUID], greeted: list[Watcher]) -> None:
        self._hello, self._greeted = secrets.token_hex(8), greeted
        self._hello_heard.clear()
        await self._call(lambda c: self._calls.subscribe(c, channel, queues, jobs, self._hello))
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                await self._hello_heard.wait()
        except TimeoutError:
            if self._proven:
                raise
            raise ConfigError(NOTHING_HEARD) from None
        self._proven = True

    def _heard(self, message: str) -> None:
        if message == self._hello:
            self._hello_heard.set()
            for watcher in self._greeted:
                self._greet(watcher)
            return
        try:
            events = events_of(message)
        except ValueError:
            return  # an older hello
        for event in events:
            for target in (event.job_id, event.queue_name):
                for watcher in list(self._watchers.get(target or "", ())):
                    watcher.hear(event)

    def _greet(self, watcher: Watcher) -> None:
        watchers = self._watchers.get(watcher.target, {})
        if watcher.hearing or watcher not in watchers:
            return
        watcher.hearing = True
        heard_before, watchers[watcher] = watchers[watcher], True
        queue = watcher.target if isinstance(watcher.target, str) else None
        watcher.hear(JobEvent(event="gap" if heard_before else "following", queue_name=queue))

    def _break(self) -> None:
        self._broken = True
        self._hello_heard.set()
        self._poked.set()

    def _refuse(self, error: BaseException) -> None:
        """Tell those who can only hear; for the others it is tried again later."""
        self._refused_until = time.monotonic() + REFUSED_FOR
        meaning = error if isinstance(error, Exception) else ConfigError("events cannot be heard")
        for queue in self._queues():
            for watcher in self._watchers.pop(queue):
                watcher.fail(meaning)

    async def _pause(self, seconds: float) -> None:
        if self._closed or seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poked.wait()
        self._poked.clear()


def _closed() -> ConfigError:
    return ConfigError("the producer was closed while somebody followed jobs: the jobs themselves go on")
