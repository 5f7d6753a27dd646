"""Stands in for `Announcer`: tells robots of new jobs, and lets the keeper do the upkeep while a producer is open."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casare_rpa.orchestrator.memory.keeper import Keeper
    from casare_rpa.orchestrator.memory.store import Store


class MemoryAnnouncer:
    """Announces jobs from `start` to `stop`."""

    def __init__(self, store: Store, keeper: Keeper) -> None:
        self.beat_due = math.inf
        self._store = store
        self._keeper = keeper

    def start(self) -> None:
        """Begin."""
        self._keeper.join(self)

    async def stop(self) -> None:
        """End; stopping twice is safe."""
        self._keeper.leave(self)

    def tell(self, jobs_by_queue: dict[str, int]) -> None:
        """Announce jobs."""
        with self._store.lock:
            for queue, jobs in jobs_by_queue.items():
                self._store.hub.announce(queue, jobs)

    def beat(self) -> None:
        """A producer holds no leases."""
