"""The library PgQueuer (PyPI: pgqueuer), through its own classes and as its guide to performance advises.

https://pgqueuer.readthedocs.io/en/latest/guides/performance-tuning/: `batch_size` is the jobs that one look takes, here `claim`;
a pool of twice the jobs that are at work (here of two connections for each worker and one for each call that enqueues), autovacuum
as `pgq autovac` sets it, the durability that it comes with, `durable`, which is that of all systems here. Its log is folded into
statistics every 30 seconds, as it comes.

A handler counts a job before its end is written: `TERMINAL_SQL` says when it is.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.clients.common import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

TERMINAL_SQL = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
ENTRYPOINT = "noop"
LOOK_AGAIN = timedelta(seconds=1)
"""How long a worker waits for a notification; also how long one that stops may take."""


class PgQueuerLibrary:
    """PgQueuer."""

    terminal_sql: str | None = TERMINAL_SQL

    async def install(self, url: str) -> None:
        from pgqueuer import AsyncpgPoolDriver, Queries  # noqa: PLC0415 - only where it is installed

        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
            queries = Queries(AsyncpgPoolDriver(pool))
            await queries.install()
            await queries.optimize_autovacuum()

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[Producer]:
        from pgqueuer import AsyncpgPoolDriver, Queries  # noqa: PLC0415

        async with asyncpg.create_pool(order.url, min_size=1, max_size=min(calls, 10)) as pool:
            yield Producer(Queries(AsyncpgPoolDriver(pool)))

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[None]:
        from pgqueuer import AsyncpgPoolDriver, PgQueuer  # noqa: PLC0415

        async def count(_: Any) -> None:
            tally.ended += 1

        async def look_at_the_clock(job: Any) -> None:
            tally.handled(json.loads(job.payload))

        handler = look_at_the_clock if order.do == "work" else count
        async with asyncpg.create_pool(order.url, min_size=1, max_size=2 * workers + 2) as pool:
            robots = [PgQueuer(AsyncpgPoolDriver(pool)) for _ in range(workers)]
            runs = []
            for robot in robots:
                robot.entrypoint(ENTRYPOINT)(handler)
                most = max(2, 2 * each) if order.do == "work" else None
                run = robot.run(dequeue_timeout=LOOK_AGAIN, batch_size=each, max_concurrent_tasks=most)
                runs.append(asyncio.create_task(run))
            yield
            for robot in robots:
                robot.shutdown.set()
            await asyncio.gather(*runs)


class Producer:
    """Enqueues no-op jobs."""

    def __init__(self, queries: Any) -> None:
        self._queries = queries

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        names, payloads, priorities = [ENTRYPOINT] * jobs, [json.dumps(payload).encode()] * jobs, [0] * jobs
        return lambda: self._queries.enqueue(names, payloads, priorities)

    async def submit(self, payload: Payload) -> object:
        return await self._queries.enqueue(ENTRYPOINT, json.dumps(payload).encode())


if __name__ == "__main__":
    main(PgQueuerLibrary())
