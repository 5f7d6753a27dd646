"""What a follower has heard and not looked at yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.events import JobEvent

if TYPE_CHECKING:
    from uuid import UUID

MOST = 10_000
"""Events kept for a follower who is slow; then there is a gap."""


class Feed:
    """The events of one job or one queue, in order. It lives in the producer's event loop."""

    def __init__(self, target: UUID | str, most: int = MOST) -> None:
        self.target = target
        self.hearing = False
        self._most = most
        self._events: deque[JobEvent] = deque()
        self._overrun = False
        self._error: Exception | None = None
        self._news = asyncio.Event()

    def hear(self, event: JobEvent) -> None:
        """Keep an event, or leave a gap when there are too many."""
        self._overrun = self._overrun or len(self._events) >= self._most
        if not self._overrun:
            self._events.append(event)
        self._news.set()

    def fail(self, error: Exception) -> None:
        """Let the follower get this error when it has seen what was kept."""
        self._error = error
        self._news.set()

    async def next(self, within: float | None = None) -> JobEvent | None:
        """Return the next event, or None when there is none within so many seconds.

        Raises:
            CasareError: events cannot be heard, or not any more.

        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self._events and not self._overrun and self._error is None:
                    self._news.clear()
                    await self._news.wait()
        if self._events:
            return self._events.popleft()
        if self._overrun:
            self._overrun = False
            return JobEvent(event="gap", queue_name=self.target if isinstance(self.target, str) else None)
        if self._error is not None:
            raise self._error
        return None
