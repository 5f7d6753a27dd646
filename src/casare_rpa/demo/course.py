"""The demo under way: its parts, its jobs, and waiting for what is to come."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from casare_rpa.demo.errors import PromiseBrokenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from casare_rpa.demo.fleet import Fleet
    from casare_rpa.demo.screen import Screen
    from casare_rpa.demo.witness import Witness
    from casare_rpa.infrastructure.queue import PgQueuerProducer

T = TypeVar("T")

LOOK = 0.02
"""Seconds between looks at the database."""


@dataclass
class Course:
    """What is at work, the ids of the jobs submitted, and the time (monotonic) by which all must be over."""

    producer: PgQueuerProducer
    witness: Witness
    fleet: Fleet
    screen: Screen
    deadline: float
    ids: list[UUID] = field(default_factory=list)

    async def until(self, condition: Callable[[], Awaitable[T | None]], what: str) -> T:
        """Return what `condition` finds once it finds something, and show the progress meanwhile.

        Raises:
            PromiseBrokenError: it did not come in time, or a robot ended that nobody killed.

        """
        while not (found := await condition()):
            self.fleet.check()
            if self.ids:
                self.screen.progress(len(self.ids), await self.witness.progress(self.ids))
            if time.monotonic() > self.deadline:
                raise PromiseBrokenError(f"it took too long until {what}")
            await asyncio.sleep(LOOK)
        return found
