"""Awa (package awa-pg), by its own API and its documented settings (https://github.com/hardbyte/awa).

- README on PyPI: `enqueue_many_copy` for many jobs, COPY into queue storage. A new database is given queue storage by
  `install_queue_storage`, "for queue-storage-only setups": after `migrate` alone the older storage is active.
- docs/configuration.md: `max_workers`, how many jobs of a queue a client runs at once; NOTIFY wakes it, polling is a fallback.
  Claimers, the size of a claim's batch and the rest stay as they are: other values were not faster. Partitioned queues and enqueue
  shards, which give up the order of jobs, are not used.
- docs/deployment.md, connection pool sizing: 10 is "a reasonable start" for one queue, and the default.

All consumers of a process are one client with `consumers` x `claim` places: clients of one queue take turns at claiming (docs/
configuration.md, internal hot-queue claim control), and 20 of them with a place each did far less than one with 20 places.
Its runtime is Rust threads, which `cpu_seconds` includes; handlers run on the event loop. The Python API has no hook after the
commit, so there are no done latencies.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.clients.common import listening, main, named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

# Parts of the history are emptied within a minute, and what was in them is added to the totals.
TERMINAL_SQL = """
    SELECT (
        (SELECT coalesce(sum(completed_count), 0) FROM awa.receipt_completion_batches)
        + (SELECT count(*) FROM awa.done_entries WHERE state = 'completed')
        + (SELECT coalesce(sum(pruned_completed_count), 0) FROM awa.queue_terminal_rollups)
    )::bigint
"""

POOL = 10


@dataclass
class Noop:
    text: str
    sent: float | None = None


class Awa:
    terminal_sql = TERMINAL_SQL

    async def install(self, url: str) -> None:
        async with _client(url, 2) as client:
            await client.migrate()
            await client.install_queue_storage()

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[_Producer]:
        async with _client(order.url, min(calls, 20)) as client:
            yield _Producer(client)

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[str | None]:
        async def noop(job: Any) -> None:
            tally.handled({} if job.args.sent is None else {"sent": job.args.sent})

        async with _client(order.url, POOL) as client:
            client.task(Noop, kind="noop", queue="noop")(noop)
            await client.start([{"name": "noop", "max_workers": workers * each}])
            try:
                await listening(order.url, 2)  # for jobs, and for cancellations
                yield f"one client with {workers * each} places for {workers} x {each}"
            finally:
                await client.shutdown(timeout_ms=15_000)


class _Producer:
    def __init__(self, client: Any) -> None:
        self._client = client

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        batch = [Noop(**payload)] * jobs
        return lambda: self._client.enqueue_many_copy(batch, kind="noop", queue="noop")

    async def submit(self, payload: Payload) -> None:
        await self._client.insert(Noop(**payload), kind="noop", queue="noop")


def _client(url: str, connections: int) -> Any:
    import awa  # noqa: PLC0415 - the harness reads this module without it

    return awa.AsyncClient(named(url), max_connections=connections)


if __name__ == "__main__":
    main(Awa())
