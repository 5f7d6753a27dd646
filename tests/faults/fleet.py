"""Producers and robots under load, and the account of what they did."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue import QueueConfig

ACCOUNT = """
    SELECT (SELECT count(*) FROM pgqueuer.jobs) AS live, (SELECT count(*) FROM pgqueuer.dead_letter_queue) AS dead,
           (SELECT count(*) FROM pgqueuer.job_history) AS ended, (SELECT max(attempt) FROM pgqueuer.job_history) AS attempts,
           (SELECT max(crashes) FROM pgqueuer.job_history) AS crashes
"""


class Ledger:
    """How often each job was handled."""

    def __init__(self, work: Callable[[JobModel], Awaitable[Any]] | None = None) -> None:
        self.handled: Counter[UUID] = Counter()
        self._work = work

    async def handler(self, job: JobModel) -> None:
        assert job.id is not None
        self.handled[job.id] += 1
        if self._work is not None:
            await self._work(job)

    async def grows_by(self, jobs: int, within: float = 20) -> None:
        """Wait until so many more jobs have been handled."""
        goal = len(self.handled) + jobs
        await eventually(lambda: len(self.handled) >= goal, within, f"{jobs} more jobs are handled")


@asynccontextmanager
async def robots(config: QueueConfig, count: int, ledger: Ledger) -> AsyncIterator[list[PgQueuerConsumer]]:
    """Robots that run the ledger's handler until the end of the block; one that ended by itself fails the test."""
    consumers = [PgQueuerConsumer(config, f"robot-{n}") for n in range(count)]
    for consumer in consumers:
        await consumer.__aenter__()
    running = [asyncio.create_task(consumer.run(ledger.handler)) for consumer in consumers]
    try:
        yield consumers
        assert not any(run.done() for run in running), "a robot gave up"
    finally:
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
        await asyncio.gather(*running)


@asynccontextmanager
async def load(config: QueueConfig, batch: int = 20, pause: float = 0.005) -> AsyncIterator[list[UUID]]:
    """Enqueue batch after batch until the end of the block; the list holds the ids that the producer was told of."""
    ids: list[UUID] = []
    enough = False

    async def produce(producer: PgQueuerProducer) -> None:
        while not enough:
            first = len(ids)
            jobs = [JobModel(workflow="w", payload={"n": n}, reference=f"{n}") for n in range(first, first + batch)]
            ids.extend(await producer.enqueue_batch(jobs))
            await asyncio.sleep(pause)

    async with PgQueuerProducer(config) as producer:
        producing = asyncio.create_task(produce(producer))
        try:
            yield ids
            assert not producing.done(), "the producer gave up"
        finally:
            enough = True
            await producing


async def each_completed_once(connection: asyncpg.Connection, ids: list[UUID], within: float = 30) -> asyncpg.Record:
    """Wait until nothing is left to do; then exactly these jobs have been completed, each of them once. Returns the account."""

    async def settled() -> asyncpg.Record | None:
        account = await connection.fetchrow(ACCOUNT)
        return account if account["live"] == 0 else None

    account: asyncpg.Record = await eventually(settled, within, "every job is settled")
    completed = await connection.fetch("SELECT id FROM pgqueuer.job_history WHERE status = 'COMPLETED'")
    assert len(set(ids)) == len(ids)
    assert Counter(row["id"] for row in completed) == Counter(ids)
    assert (account["dead"], account["ended"]) == (0, len(ids))
    return account
