"""Tells robots what concerns them: that there are jobs, that they should report at once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol

from casare_rpa.infrastructure.queue.consuming.wakeups import FEWEST_WOKEN

if TYPE_CHECKING:
    from uuid import UUID


class Member(Protocol):
    """A robot that is open. What it is told comes from any thread."""

    queue: str
    incarnation: UUID

    @property
    def waits(self) -> bool: ...

    def jobs_announced(self) -> None: ...

    def beat_now(self) -> None: ...


class Hub:
    """The robots of this process that are open. Whoever uses it holds the store's lock."""

    def __init__(self) -> None:
        self._members: dict[UUID, Member] = {}

    def join(self, member: Member) -> None:
        """A robot opens."""
        self._members[member.incarnation] = member

    def leave(self, member: Member) -> None:
        """A robot closes; leaving twice is safe."""
        self._members.pop(member.incarnation, None)

    def announce(self, queue: str, jobs: int) -> None:
        """Wake robots that wait for jobs of a queue: about as many as there are jobs, so that a large fleet is not all woken."""
        waiting = [member for member in self._members.values() if member.queue == queue and member.waits]
        woken = max(FEWEST_WOKEN, 2 * jobs)
        for member in waiting if len(waiting) <= woken else random.sample(waiting, woken):
            member.jobs_announced()

    def call(self, incarnation: UUID | None) -> None:
        """Let a robot report at once: it is asked to stop a job, or has lost one."""
        if incarnation in self._members:
            self._members[incarnation].beat_now()
