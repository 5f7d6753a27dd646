"""CasareRPA, through its public classes.

`claim` is `batch_size`. A robot that claims several jobs at a time may hold two batches, so that one is settled while the other
runs; one that claims one at a time holds one. Every robot has a pool of two connections beside the one that it listens on.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.clients.common import main
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig, migrate
from casare_rpa.infrastructure.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

TERMINAL_SQL = "SELECT count(*) FROM pgqueuer.job_history WHERE status = 'COMPLETED'"
WORKFLOW = "noop"
NOBODY_HAS = {"capabilities": ["what no robot has"]}


class Casare:
    """The queue of this repository; with `metrics`, its producers and robots count in them."""

    terminal_sql: str | None = TERMINAL_SQL

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics

    async def install(self, url: str) -> None:
        await migrate(QueueConfig(database_url=url))

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[Producer]:
        config = QueueConfig(database_url=order.url, connection_pool_size=min(calls, 10))
        async with PgQueuerProducer(config, metrics=self._metrics) as opened:
            yield Producer(opened, order)

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[None]:
        slots = 2 * each if each > 1 and order.do != "work" else each
        config = QueueConfig(database_url=order.url, max_concurrent_jobs=slots, batch_size=each, connection_pool_size=2)
        logging.getLogger("casare_rpa").addHandler(CountWarnings(tally))
        async with AsyncExitStack() as stack:
            robots = []
            for number in range(workers):
                settled = Settled(tally) if order.do == "work" else None
                robot = PgQueuerConsumer(config, f"robot-{number}", metrics=settled or self._metrics)
                robots.append((await stack.enter_async_context(robot), handler_of(tally, settled)))
            runs = [asyncio.create_task(robot.run(handler)) for robot, handler in robots]
            yield
            await asyncio.gather(*(robot.stop() for robot, _ in robots))
            await asyncio.gather(*runs)


class Producer:
    """Enqueues no-op jobs. The same models are enqueued again and again: each call gives them new ids."""

    def __init__(self, producer: PgQueuerProducer, order: Order) -> None:
        self._producer = producer
        self._mixed, self._unfit = order.mixed, order.unfit

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        if self._unfit:
            models = [JobModel(workflow=WORKFLOW, payload=payload, priority=20, requirements=NOBODY_HAS)] * jobs
        elif self._mixed:
            models = [JobModel(workflow=WORKFLOW, payload=payload, priority=n % 21) for n in range(21 * jobs)]
            return lambda: self._producer.enqueue_batch([mixed(model) for model in random.sample(models, jobs)])
        else:
            models = [JobModel(workflow=WORKFLOW, payload=payload) for _ in range(jobs)]
        return lambda: self._producer.enqueue_batch(models)

    async def submit(self, payload: Payload) -> object:
        return await self._producer.enqueue_job(JobModel(workflow=WORKFLOW, payload=payload))


def mixed(model: JobModel) -> JobModel:
    """Return the same job, or one in ten times one like it that is not due yet."""
    if random.random() >= 0.1:
        return model
    run_at = datetime.now(UTC) + timedelta(seconds=random.uniform(1, 3))
    return JobModel(workflow=model.workflow, payload=model.payload, priority=model.priority, run_at=run_at)


def handler_of(tally: Tally, settled: Settled | None) -> Callable[[JobModel], Awaitable[None]]:
    """Return a handler that counts, or one that also tells when it was entered and leaves the rest to `settled`."""

    async def count(_: JobModel) -> None:
        tally.ended += 1

    if settled is None:
        return count
    running = settled.running

    async def look_at_the_clock(job: JobModel) -> None:
        tally.entered(job.payload)
        running.append(job.payload)

    return look_at_the_clock


class Settled(Metrics):
    """Sees when the settlement of a robot's jobs is confirmed. Its handlers end, and are settled, in the order of their claims."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.running: deque[Payload] = deque()
        self._tally = tally

    def settled(
        self, queue: str, workflow: str, outcome: str, seconds: float | None = None, *, attempts: int = 1
    ) -> None:
        super().settled(queue, workflow, outcome, seconds, attempts=attempts)
        if outcome == "completed":
            self._tally.settled(self.running.popleft())


class CountWarnings(logging.Handler):
    """Counts what the library warns of as an error, also where it recovered."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        self._tally.errors += 1
        print(self.format(record), file=sys.stderr)


if __name__ == "__main__":
    main(Casare())
