"""Following jobs, and remembering what was told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from tests.waiting import eventually

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.events import JobEvent


class Follower:
    """Follows, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[JobEvent] = []

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.told]

    async def follow(self, events) -> None:
        async with aclosing(events):
            async for event in events:
                self.told.append(event)


@asynccontextmanager
async def following(producer, **what):
    """A follower who has begun; at the end it stops."""
    follower = Follower()
    task = asyncio.create_task(follower.follow(producer.follow(**what)))
    await eventually(lambda: follower.told or task.done())
    if "job_id" in what:
        await eventually(lambda: task.done() or any(w.hearing for w in producer._subscriber._watchers[what["job_id"]]))
    try:
        yield follower, task
    finally:
        task.cancel()
        await asyncio.wait([task])
