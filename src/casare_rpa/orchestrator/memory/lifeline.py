"""Stands in for `Lifeline`: heartbeats and wake-ups of one robot, without a connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from casare_rpa.orchestrator.memory.heartbeats import heartbeat

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue.consuming.leases import Leases
    from casare_rpa.infrastructure.queue.consuming.lifeline import Listener
    from casare_rpa.orchestrator.memory.keeper import Keeper
    from casare_rpa.orchestrator.memory.store import Store


class MemoryLifeline:
    """Keeps the leases of one robot alive from `start` to `stop`, in the keeper's thread."""

    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        queue: str,
        robot_id: str,
        incarnation: UUID,
        leases: Leases,
        listener: Listener,
    ) -> None:
        self.queue = queue
        self.incarnation = incarnation
        self.waits = False
        self.beat_due = 0.0
        self.beats = 0
        """Heartbeats that were answered."""
        self._store = store
        self._keeper = keeper
        self._robot_id = robot_id
        self._leases = leases
        self._listener = listener
        self._interval = 0.0

    def start(self) -> None:
        """Begin."""
        with self._store.lock:
            self._store.hub.join(self)
            self.beat()
            self._keeper.join(self)

    async def stop(self) -> None:
        """End; stopping twice is safe."""
        with self._store.lock:
            self._keeper.leave(self)
            self._store.hub.leave(self)
            self.waits = False
            if self._leases.abandoned:
                self.beat()  # gives back what came for a request that was given up

    def beat_now(self) -> None:
        """Send a heartbeat at once."""
        self.beat_due = 0.0
        self._keeper.poke()

    @property
    def hears_of_jobs(self) -> bool:
        """Whether new jobs are announced to this robot."""
        return self.waits

    def want_jobs(self, wanted: bool) -> None:
        """Let jobs be announced to this robot, or not: one without a free slot needs to hear of none."""
        if wanted != self.waits:
            self.waits = wanted
            if wanted:
                self._listener.jobs_announced()  # what came a moment ago was announced to those who waited then

    def leases_added(self) -> None:
        """Come round sooner when a lease was added that is shorter than those before."""
        interval = self._leases.heartbeat_interval()
        if interval < self._interval:
            self._interval, self.beat_due = interval, time.monotonic() + interval
            self._keeper.poke()

    def jobs_announced(self) -> None:
        """Look for jobs."""
        self._listener.jobs_announced()

    def beat(self) -> None:
        """Send a heartbeat and pass on what it brings back. Called with the store's lock held, from any thread."""
        self._interval = self._leases.heartbeat_interval()
        self.beat_due = time.monotonic() + self._interval
        holding = self._leases.holding()
        row = heartbeat(
            self._store,
            self._robot_id,
            self.incarnation,
            self.queue,
            holding.tokens,
            holding.ceiling,
            holding.in_flight,
        )
        self.beats += 1
        if row["lost"] or row["cancelled"]:
            tokens = holding.tokens
            self._listener.verdict([tokens[lost] for lost in row["lost"]], [tokens[job] for job in row["cancelled"]])
