"""Whole job lives per second through the public classes: enqueue, claim, run a no-op handler, settle, history written.

Runs CasareRPA and the library PgQueuer in turn on one throw-away server with default durability, in one process, and prints
jobs per second of every run and the ratio of each pair. `--snapshot` measures CasareRPA alone instead, without and with a
snapshot held by another session, which keeps vacuum from removing what is settled.

Usage: python benchmarks/lives.py [--seconds 5] [--rounds 3] [--snapshot]
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pgqueuer.models import Job

    from casare_rpa.infrastructure.telemetry import Metrics

PAYLOAD = {"text": "x" * 135}
PAYLOAD_BYTES = b"x" * 150
FEEDERS = 2


@dataclass(frozen=True)
class Scenario:
    """Jobs enqueued by `enqueue` at a time while `consumers` claim `claim` at a time."""

    enqueue: int
    consumers: int
    claim: int

    def __str__(self) -> str:
        return f"enqueue {self.enqueue}, {self.consumers} consumers x {self.claim}"


SCENARIOS = [Scenario(100, 2, 100), Scenario(100, 5, 10), Scenario(100, 20, 1)]


async def casare(url: str, scenario: Scenario, seconds: float, metrics: Metrics | None = None) -> float:
    """Return jobs per second of this library. A consumer may hold two batches, so that one is settled while the other runs."""
    slots = 2 * scenario.claim if scenario.claim > 1 else 1
    config = QueueConfig(database_url=url, max_concurrent_jobs=slots, batch_size=scenario.claim, connection_pool_size=2)
    await migrate(config)
    ended = Count()
    jobs = [JobModel(workflow="noop", payload=PAYLOAD) for _ in range(scenario.enqueue)]

    async def handler(_: JobModel) -> None:
        ended.value += 1

    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(PgQueuerProducer(config, metrics=metrics))
        consumers = [
            await stack.enter_async_context(PgQueuerConsumer(config, f"robot-{n}", metrics=metrics))
            for n in range(scenario.consumers)
        ]
        runs = [asyncio.create_task(consumer.run(handler)) for consumer in consumers]
        rate = await saturate(lambda: producer.enqueue_batch(jobs), ended, scenario, seconds)
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
        await asyncio.gather(*runs)
    await check_count(url, "SELECT count(*) FROM pgqueuer.job_history WHERE status = 'COMPLETED'", ended.value)
    return rate


async def pgqueuer(url: str, scenario: Scenario, seconds: float) -> float:
    """Return jobs per second of the library PgQueuer through its own classes."""
    ended = Count()
    async with asyncpg.create_pool(url, min_size=1, max_size=2 * scenario.consumers + FEEDERS) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()
        workers = [PgQueuer(AsyncpgPoolDriver(pool)) for _ in range(scenario.consumers)]
        for worker in workers:

            @worker.entrypoint("noop")
            async def noop(_: Job) -> None:
                ended.value += 1

        runs = [
            asyncio.create_task(worker.run(dequeue_timeout=timedelta(seconds=1), batch_size=scenario.claim))
            for worker in workers
        ]
        size = scenario.enqueue
        names, priorities = ["noop"] * size, [0] * size
        payloads: list[bytes | None] = [PAYLOAD_BYTES] * size
        rate = await saturate(lambda: queries.enqueue(names, payloads, priorities), ended, scenario, seconds)
        for worker in workers:
            worker.shutdown.set()
        await asyncio.gather(*runs)
    return rate


@dataclass
class Count:
    """A number that handlers raise."""

    value: int = 0


async def saturate(put: Callable[[], Awaitable[object]], ended: Count, scenario: Scenario, seconds: float) -> float:
    """Keep a short backlog while the clock runs, and return jobs ended per second."""
    backlog = max(2000, 10 * scenario.enqueue)
    running = True
    sent = 0

    async def feed() -> None:
        nonlocal sent
        while running:
            if sent - ended.value < backlog:
                sent += scenario.enqueue
                await put()
            else:
                await asyncio.sleep(0.001)

    feeders = [asyncio.create_task(feed()) for _ in range(FEEDERS)]
    await reach(ended, 10 * scenario.consumers * scenario.claim + 500)
    began, before = time.monotonic(), ended.value
    await asyncio.sleep(seconds)
    rate = (ended.value - before) / (time.monotonic() - began)
    running = False
    await asyncio.gather(*feeders)
    await reach(ended, sent)
    return rate


async def reach(ended: Count, jobs: int) -> None:
    while ended.value < jobs:  # noqa: ASYNC110 - an event for each job would be measured too
        await asyncio.sleep(0.005)


async def check_count(url: str, sql: str, expected: int) -> None:
    """Refuse a figure whose jobs are not all in the database."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchval(sql)
    finally:
        await connection.close()
    if found != expected:
        raise SystemExit(f"{expected} jobs ended, but the database has {found}: this run does not count")


@asynccontextmanager
async def database(server: EmbeddedPostgres, name: str) -> AsyncIterator[str]:
    """A database of its own for one run."""
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
        yield server.url.rsplit("/", 1)[0] + "/" + name
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@asynccontextmanager
async def held_snapshot(url: str) -> AsyncIterator[None]:
    """A session that holds a snapshot, as a report or a backup does."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT 1")
            yield
    finally:
        await connection.close()


async def compare_with_peer(server: EmbeddedPostgres, seconds: float, rounds: int) -> None:
    for scenario in SCENARIOS:
        pairs = []
        for turn in range(rounds):
            async with database(server, f"casare_{turn}") as url:
                ours = await casare(url, scenario, seconds)
            async with database(server, f"pgqueuer_{turn}") as url:
                theirs = await pgqueuer(url, scenario, seconds)
            pairs.append((ours, theirs))
            print(f"{scenario}: casare {ours:,.0f}/s, pgqueuer {theirs:,.0f}/s, ratio {ours / theirs:.2f}", flush=True)
        print(f"{scenario}: median ratio {statistics.median(a / b for a, b in pairs):.2f}", flush=True)


async def compare_with_snapshot(server: EmbeddedPostgres, seconds: float) -> None:
    for scenario in SCENARIOS[:2]:
        async with database(server, "free") as url:
            free = await casare(url, scenario, seconds)
        async with database(server, "held") as url, held_snapshot(server.url.rsplit("/", 1)[0] + "/held"):
            held = await casare(url, scenario, seconds)
        print(f"{scenario}: free {free:,.0f}/s, snapshot held {held:,.0f}/s, ratio {held / free:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--snapshot", action="store_true")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    with EmbeddedPostgres() as server:
        if arguments.snapshot:
            asyncio.run(compare_with_snapshot(server, arguments.seconds))
        else:
            asyncio.run(compare_with_peer(server, arguments.seconds, arguments.rounds))


if __name__ == "__main__":
    main()
