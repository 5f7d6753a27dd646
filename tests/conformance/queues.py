"""The two queues that the suite holds to the same behaviour, each with a clock to move and a look into its records."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, QueueConfig
from casare_rpa.orchestrator import JobQueue
from casare_rpa.orchestrator.memory.records import Job
from casare_rpa.orchestrator.memory.upkeep import upkeep
from tests.clock import FrozenClock
from tests.infrastructure import helpers

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

SETTINGS: dict[str, Any] = {"connection_pool_size": 3, "outage_patience": 10, "shutdown_grace": 5}


class Clock(Protocol):
    """A queue's clock, stopped; it moves when the test says so."""

    async def now(self) -> datetime: ...

    async def advance(self, seconds: float) -> datetime:
        """Move the clock; nobody did the upkeep meanwhile."""

    async def set_back(self, seconds: float) -> None:
        """Let the clock be behind that of this machine."""

    async def pass_time(self, seconds: float) -> None:
        """Let time pass during which somebody did the upkeep all along, and do it once more at the end."""

    async def upkeep(self) -> None:
        """Do the upkeep now."""

    async def hold_off_upkeep(self) -> None:
        """Let nobody do the upkeep for an hour."""


class Maker(Protocol):
    """Where producers and consumers come from."""

    def producer(self, config: QueueConfig) -> PgQueuerProducer: ...

    def consumer(self, config: QueueConfig, robot_id: str, **offers: Any) -> PgQueuerConsumer: ...


class Queue(Maker, Protocol):
    """A queue of this test's own."""

    config: QueueConfig

    async def freeze(self) -> Clock:
        """Stop the clock."""

    async def contents(self) -> dict[str, list[str]]:
        """Every record as text: to show that a call has changed nothing."""


class Postgres:
    """Whatever queue in PostgreSQL the settings name."""

    def producer(self, config: QueueConfig) -> PgQueuerProducer:
        return PgQueuerProducer(config)

    def consumer(self, config: QueueConfig, robot_id: str, **offers: Any) -> PgQueuerConsumer:
        return PgQueuerConsumer(config, robot_id, **offers)


class PostgresQueue(Postgres):
    """The queue in PostgreSQL."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self.config = QueueConfig(database_url=url, **SETTINGS)
        self._connection = connection

    async def freeze(self) -> Clock:
        clock = _PostgresClock(self._connection)
        await clock.freeze()
        return clock

    async def contents(self) -> dict[str, list[str]]:
        return await helpers.contents(self._connection)


class _PostgresClock(FrozenClock):
    async def set_back(self, seconds: float) -> None:
        await self._connection.execute("UPDATE pgqueuer.frozen_clock SET now = now - $1 * interval '1 second'", seconds)

    async def pass_time(self, seconds: float) -> None:
        await helpers.pass_time(self, seconds)

    async def upkeep(self) -> None:
        await self._execute("SELECT pgqueuer.upkeep(true)")

    async def hold_off_upkeep(self) -> None:
        await self._execute("UPDATE pgqueuer.upkeep_state SET passed_at = passed_at + interval '1 hour'")

    async def _execute(self, statement: str) -> None:
        await self._connection.execute(statement)


class MemoryQueue:
    """The queue in memory."""

    def __init__(self) -> None:
        self.config = QueueConfig(**SETTINGS)
        self._queue = JobQueue(self.config)

    def producer(self, config: QueueConfig) -> PgQueuerProducer:
        return self._queue.producer(config)

    def consumer(self, config: QueueConfig, robot_id: str, **offers: Any) -> PgQueuerConsumer:
        return self._queue.consumer(robot_id, config=config, **offers)

    async def freeze(self) -> Clock:
        self._queue.clock.freeze()
        return _MemoryClock(self._queue)

    async def contents(self) -> dict[str, list[str]]:
        store = self._queue._memory.store
        names = [field.name for field in fields(Job) if field.name != "route"]
        with store.lock:
            return {
                **{
                    place: sorted(
                        json.dumps([*(getattr(job, name) for name in names), job.queue_name, job.priority], default=str)
                        for job in jobs.values()
                    )
                    for place, jobs in (("jobs", store.jobs), ("dead", store.dead), ("history", store.history))
                },
                "attempts": sorted(map(str, store.attempts.items())),
                "references": sorted(map(str, store.references.items())),
                "queues": sorted(store.queues),
                "paused": sorted(store.paused),
            }


class _MemoryClock:
    def __init__(self, queue: JobQueue) -> None:
        self._clock = queue.clock
        self._store = queue._memory.store

    async def now(self) -> datetime:
        return self._clock.now()

    async def advance(self, seconds: float) -> datetime:
        return self._clock.advance(seconds, upkeep=False)

    async def set_back(self, seconds: float) -> None:
        self._clock.freeze(self._clock.now() - timedelta(seconds=seconds))

    async def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def upkeep(self) -> None:
        with self._store.lock:
            upkeep(self._store, force=True)

    async def hold_off_upkeep(self) -> None:
        with self._store.lock:
            self._store.passed_at += timedelta(hours=1)
