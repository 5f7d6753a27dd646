"""The `Backend` of an in-memory queue."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, cast

from casare_rpa.orchestrator.memory.announcer import MemoryAnnouncer
from casare_rpa.orchestrator.memory.calls import MemoryCalls
from casare_rpa.orchestrator.memory.clock import QueueClock
from casare_rpa.orchestrator.memory.keeper import Keeper
from casare_rpa.orchestrator.memory.lifeline import MemoryLifeline
from casare_rpa.orchestrator.memory.pool import MemoryConnection, MemoryPool, check_process
from casare_rpa.orchestrator.memory.store import Store
from casare_rpa.orchestrator.memory.upkeep import time_passed

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue.announcer import Announcer
    from casare_rpa.infrastructure.queue.consuming.leases import Leases
    from casare_rpa.infrastructure.queue.consuming.lifeline import Lifeline, Listener
    from casare_rpa.infrastructure.queue.pool import SchemaLimits


class Memory:
    """What every producer and consumer of one in-memory queue shares."""

    def __init__(self, retention: timedelta) -> None:
        self.clock = QueueClock()
        self.store = Store(self.clock, retention)
        self.keeper = Keeper(self.store)
        self.calls = MemoryCalls(self.store)
        self.process = os.getpid()
        self.clock.time_passed = partial(time_passed, self.store)


class MemoryBackend:
    """One producer's or consumer's way to the memory of a queue."""

    def __init__(self, memory: Memory, queue: str) -> None:
        self._memory = memory
        self._queue = queue
        self.calls = memory.calls

    async def check_schema(self, name: str) -> SchemaLimits:  # noqa: ARG002 - nothing is connected that would bear a name
        check_process(self._memory.process)
        return self._memory.store.limits

    async def open_pool(self, name: str) -> asyncpg.Pool:  # noqa: ARG002 - as above
        return MemoryPool(self._memory.process)

    async def connect(self, name: str) -> asyncpg.Connection:  # noqa: ARG002 - as above
        check_process(self._memory.process)
        return MemoryConnection()

    async def connect_to_listen(self, name: str) -> asyncpg.Connection:
        return await self.connect(name)

    def server_version(self, connection: asyncpg.Connection) -> str:  # noqa: ARG002 - there is no server
        return "in memory"

    def announcer(self) -> Announcer:
        # The same methods, and nothing else is asked of it; so below.
        return cast("Announcer", MemoryAnnouncer(self._memory.store, self._memory.keeper))

    def lifeline(self, robot_id: str, incarnation: UUID, leases: Leases, listener: Listener) -> Lifeline:
        lifeline = MemoryLifeline(
            self._memory.store, self._memory.keeper, self._queue, robot_id, incarnation, leases, listener
        )
        return cast("Lifeline", lifeline)
