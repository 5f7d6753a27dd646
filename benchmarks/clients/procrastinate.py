"""Procrastinate, by its own API and its documented settings (https://procrastinate.readthedocs.io/en/stable/).

- howto/basics/batch_defer: many jobs in one `batch_defer_async`, "more efficient than deferring them one by one".
- howto/basics/connector: `PsycopgConnector`, whose arguments go to psycopg's pool; this client sets its size.
- howto/basics/worker: a worker within an application, stopped by cancelling its task. LISTEN/NOTIFY is on, as by default.
- howto/production/logging: it logs through `logging`, where nothing below WARNING is handled unless someone asks for it.

A worker fetches one job at a time (`fetch_job` returns one row), so `claim` is its `concurrency`: how many it runs at once.
Nothing in the API tells that a job's end is committed, so there are no done latencies.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from benchmarks.clients.common import listening, main, named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

TERMINAL_SQL = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

MAX_POOL = 20


class Procrastinate:
    terminal_sql = TERMINAL_SQL

    async def install(self, url: str) -> None:
        app = _app(url, 1)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[_Producer]:
        app = _app(order.url, calls)
        async with app.open_async():
            yield _Producer(app)

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[None]:
        app = _app(order.url, workers * each, tally)
        async with app.open_async():
            runs = [
                asyncio.create_task(
                    app.run_worker_async(name=f"worker-{number}", concurrency=each, install_signal_handlers=False)
                )
                for number in range(workers)
            ]
            try:
                await listening(order.url, workers)
                yield
            finally:
                for run in runs:
                    run.cancel()
                for run in runs:
                    with suppress(asyncio.CancelledError):
                        await run


class _Producer:
    def __init__(self, app: Any) -> None:
        self._task = app.tasks["noop"]

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        batch = [payload] * jobs
        return lambda: self._task.batch_defer_async(*batch)

    async def submit(self, payload: Payload) -> None:
        await self._task.defer_async(**payload)


def _app(url: str, connections: int, tally: Tally | None = None) -> Any:
    import procrastinate  # noqa: PLC0415 - the harness reads this module without it

    size = min(connections, MAX_POOL)
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=named(url), min_size=size, max_size=size))

    async def noop(**payload: Any) -> None:
        if tally is not None:
            tally.handled(payload)

    app.task(name="noop", queue="noop")(noop)
    return app


if __name__ == "__main__":
    main(Procrastinate())
