"""Chancy, by its own API and its documented settings (https://tkte.ch/chancy/).

- `Chancy.push_many`: many jobs in one transaction; LISTEN/NOTIFY is on, as by default.
- Queue: `concurrency`, how many of its jobs a worker runs at once; a worker fetches all that is free in one statement, so `claim`
  is the concurrency. `eager_polling`, "immediately poll for new jobs after a job completes": without it a worker that has a
  backlog and hears of no new jobs takes one such batch each `polling_interval`, which is 1 s here, the least that it takes.
- Executors: `AsyncExecutor`, "high concurrency without the overhead of processes or threads", for jobs that are coroutines.
- Worker: `send_outgoing_interval`, how often ends of jobs are written in batches of up to 1000: 0.1 s here instead of 1 s, so that
  the last of a backlog, and done latencies, do not wait a second.
- Logging: a logger of one's own, at WARNING; the default one prints a line for each job.
- Plugins: the default ones that keep the queue correct (Leadership, Recovery, Pruner); Metrics and Workflow, which do work for each
  job, are left out.

Each consumer is a Worker with an app of its own, as a process would have. Done latencies come from the plugin hook
`on_job_updated`, which runs after the commit; it is installed for the order `work` alone, since it costs time for each job.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.clients.common import listening, main, named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

TERMINAL_SQL = "SELECT count(*) FROM chancy_jobs WHERE state = 'succeeded'"

WORKER_POOL = 3  # connections: fetching, writing ends, and one for the heartbeat and plugins

_handle: Callable[[Payload], None] | None = None  # Chancy calls functions by the name of their module


async def noop(**payload: Any) -> None:
    if _handle is not None:
        _handle(payload)


class Chancy:
    terminal_sql = TERMINAL_SQL

    async def install(self, url: str) -> None:
        async with _app(url, 1) as app:
            await app.migrate()

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[_Producer]:
        async with _app(order.url, min(calls, 20)) as app:
            yield _Producer(app)

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[None]:
        from chancy import Queue, Worker  # noqa: PLC0415 - the harness reads this module without it

        global _handle  # noqa: PLW0603 - see there
        tells_done = order.do == "work"
        _handle = tally.entered if tells_done else tally.handled
        async with AsyncExitStack() as stack:
            for number in range(workers):
                app = await stack.enter_async_context(_app(order.url, WORKER_POOL, tally if tells_done else None))
                if number == 0:
                    # Named as the queue that every worker declares anyway, with an executor of processes.
                    executor = app.Executor.Async
                    options = {"concurrency": each, "executor": executor, "polling_interval": 1, "eager_polling": True}
                    await app.declare(Queue("default", **options), upsert=True)
                worker = Worker(app, register_signal_handlers=False)
                worker.send_outgoing_interval = 0.1
                await stack.enter_async_context(worker)
            await listening(order.url, workers)
            yield


class _Producer:
    def __init__(self, app: Any) -> None:
        from chancy import Job  # noqa: PLC0415 - the harness reads this module without it

        self._app, self._job = app, Job.from_func(noop)

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        batch = [self._job.with_kwargs(**payload)] * jobs

        async def put() -> None:
            async for _ in self._app.push_many(batch, batch_size=jobs):
                pass

        return put

    async def submit(self, payload: Payload) -> None:
        await self._app.push(self._job.with_kwargs(**payload))


def _app(url: str, connections: int, done: Tally | None = None) -> Any:
    from chancy import Chancy as App  # noqa: PLC0415 - the harness reads this module without it
    from chancy.plugins.leadership import Leadership  # noqa: PLC0415
    from chancy.plugins.pruner import Pruner  # noqa: PLC0415
    from chancy.plugins.recovery import Recovery  # noqa: PLC0415

    log = logging.getLogger("chancy")
    log.setLevel(logging.WARNING)
    plugins = [Leadership(), Pruner(), Recovery(), *([_done_plugin(done)] if done is not None else [])]
    options = {"plugins": plugins, "no_default_plugins": True, "log": log}
    return App(named(url), min_connection_pool_size=1, max_connection_pool_size=connections, **options)


def _done_plugin(tally: Tally) -> Any:
    from chancy.plugin import Plugin  # noqa: PLC0415 - the harness reads this module without it

    class Done(Plugin):  # type: ignore[misc] # untyped, or not installed
        @staticmethod
        def get_identifier() -> str:
            return "benchmark.done"

        async def on_job_updated(self, *, worker: Any, job: Any) -> None:  # noqa: ARG002 - the hook's signature
            if job.state == job.State.SUCCEEDED:
                tally.settled(job.kwargs)
            else:
                tally.errors += 1

    return Done()


if __name__ == "__main__":
    main(Chancy())
