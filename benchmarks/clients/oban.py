"""Oban for Python, by its own API and its documented settings (https://oban.pro/docs/py).

- "Defining Queues": a queue's `limit`, how many of its jobs run at once on one node; a node fetches all that is free in one
  statement, so `claim` is the limit. `debounce_interval` stays as it is: 5 ms, and none while nothing runs.
- "Ready for Production", sizing the connection pool: 10 connections are enough, as a running job holds none; 20 here where
  more than 10 nodes share the pool. Listening has a connection of its own. Logging is off unless it is attached.
- `Oban.enqueue_many`: many jobs in one transaction, "more efficient than calling enqueue() multiple times". A client that only
  enqueues has no queues and is not started.

Each consumer is a node (an `Oban` of its own) of the same cluster. Its telemetry counts acknowledged jobs without naming them, so
there are no done latencies.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.clients.common import listening, main, named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

TERMINAL_SQL = "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"


class Oban:
    terminal_sql = TERMINAL_SQL

    def __init__(self) -> None:
        self._tally: Tally | None = None

    async def install(self, url: str) -> None:
        from oban import schema  # noqa: PLC0415 - the harness reads this module without it

        async with _pool(url, 1) as pool:
            await schema.install(pool)

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[_Producer]:
        import oban  # noqa: PLC0415 - the harness reads this module without it

        async with _pool(order.url, min(calls, 20)) as pool:
            yield _Producer(oban.Oban(pool=pool), self._noop)

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[None]:
        import oban  # noqa: PLC0415 - the harness reads this module without it

        self._tally, _ = tally, self._noop  # the class must be known before a node finds its name in a row
        async with _pool(order.url, 10 if workers <= 10 else 20) as pool, AsyncExitStack() as nodes:
            for number in range(workers):
                node = f"{named('')}-{number}"
                await nodes.enter_async_context(oban.Oban(pool=pool, node=node, queues={"noop": each}))
            await listening(order.url, workers)
            yield

    @cached_property
    def _noop(self) -> Any:
        from oban import worker  # noqa: PLC0415 - the harness reads this module without it

        system = self

        @worker(queue="noop")
        class Noop:
            async def process(self, job: Any) -> None:
                if system._tally is not None:
                    system._tally.handled(job.args)

        return Noop


class _Producer:
    def __init__(self, client: Any, noop: Any) -> None:
        self._client, self._noop = client, noop

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        # A Job stands for one row and keeps its id and time, so each call needs new ones.
        return lambda: self._client.enqueue_many([self._noop.new(payload) for _ in range(jobs)])

    async def submit(self, payload: Payload) -> None:
        await self._client.enqueue(self._noop.new(payload))


@asynccontextmanager
async def _pool(url: str, size: int) -> AsyncIterator[Any]:
    import oban  # noqa: PLC0415 - the harness reads this module without it

    pool = await oban.Oban.create_pool(named(url), min_size=size, max_size=size)
    try:
        yield pool
    finally:
        await pool.close()


if __name__ == "__main__":
    main(Oban())
