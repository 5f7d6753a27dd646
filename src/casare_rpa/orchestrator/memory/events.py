"""Tells those who follow jobs what becomes of them: `subscribe`, `unsubscribe`, `emit`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from casare_rpa.orchestrator.memory.clock import QueueClock
    from casare_rpa.orchestrator.memory.records import Job

LASTS = timedelta(seconds=30)
"""How long a subscription lasts that is not renewed."""
MOST_JOBS = 1000
"""Jobs in one message."""


@dataclass(frozen=True)
class Subscription:
    """What is to be said over a channel."""

    queues: frozenset[str]
    jobs: frozenset[UUID]
    until: datetime


class Events:
    """Who hears of what. Whoever uses it holds the store's lock; what is said is heard in the listener's event loop."""

    def __init__(self, clock: QueueClock) -> None:
        self._clock = clock
        self._ears: dict[UUID, Callable[[str], None]] = {}
        self._subscriptions: dict[UUID, Subscription] = {}

    def listen(self, channel: UUID, heard: Callable[[str], None]) -> None:
        """Let somebody hear what is said over a channel, in the event loop that runs here."""
        loop = asyncio.get_running_loop()

        def say(message: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(heard, message)

        self._ears[channel] = say

    def deafen(self, channel: UUID) -> None:
        """Nobody listens on this channel any more."""
        self._ears.pop(channel, None)
        self._subscriptions.pop(channel, None)

    def subscribe(self, channel: UUID, queues: Iterable[str], jobs: Iterable[UUID], hello: str) -> None:
        """Say over a channel what becomes of the jobs of some queues, and of some jobs; the hello first."""
        until = self._clock.now() + LASTS
        self._subscriptions[channel] = Subscription(frozenset(queues), frozenset(jobs), until)
        self._say(channel, hello)

    def unsubscribe(self, channel: UUID) -> None:
        """Say nothing more over a channel."""
        self._subscriptions.pop(channel, None)

    def forget(self) -> None:
        """Forget the subscriptions that were not renewed."""
        now = self._clock.now()
        self._subscriptions = {
            channel: subscription for channel, subscription in self._subscriptions.items() if subscription.until >= now
        }

    def emit(self, event: str, jobs: Sequence[Job], status: str | None = None) -> None:
        """Tell what has become of some jobs; `status` is theirs unless it is to be another in a moment."""
        now = self._clock.now()
        for channel, subscription in self._subscriptions.items():
            told = [job for job in jobs if job.queue_name in subscription.queues or job.id in subscription.jobs]
            if subscription.until > now:
                for start in range(0, len(told), MOST_JOBS):
                    messages = [_describe(job, event, status, now) for job in told[start : start + MOST_JOBS]]
                    self._say(channel, json.dumps(messages))

    def _say(self, channel: UUID, message: str) -> None:
        if channel in self._ears:
            self._ears[channel](message)


def _describe(job: Job, event: str, status: str | None, now: datetime) -> dict[str, object]:
    return {
        "job_id": str(job.id),
        "queue_name": job.queue_name,
        "event": event,
        "status": status or job.status,
        "attempt": job.attempt,
        "robot": job.claimed_by,
        "at": now.isoformat(),
    }
