"""Whole job lives per second through the public classes: enqueue, claim, run a no-op handler, settle, history written.

Runs CasareRPA and the library PgQueuer in turn on one throw-away server with default durability, in one process, and prints
jobs per second and the ratio of each pair of runs. Usage: python benchmarks/lives.py [--seconds 5] [--rounds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig, migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAYLOAD = {"text": "x" * 135}


@dataclass(frozen=True)
class Scenario:
    """Jobs enqueued by `enqueue` at a time while `consumers` claim up to `claim` each."""

    enqueue: int
    consumers: int
    claim: int


SCENARIOS = [Scenario(100, 2, 100), Scenario(100, 5, 10), Scenario(100, 20, 1)]


async def casare(url: str, scenario: Scenario, seconds: float) -> float:
    """Return jobs per second of this library."""
    config = QueueConfig(
        database_url=url,
        max_concurrent_jobs=2 * scenario.claim,
        batch_size=scenario.claim,
        connection_pool_size=2,
    )
    await migrate(config)
    done = 0

    async def handler(_job: JobModel) -> None:
        nonlocal done
        done += 1

    async with PgQueuerProducer(config) as producer:
        consumers = [PgQueuerConsumer(config, f"robot-{n}") for n in range(scenario.consumers)]
        for consumer in consumers:
            await consumer.__aenter__()
        runs = [asyncio.create_task(consumer.run(handler)) for consumer in consumers]

        async def put() -> None:
            await producer.enqueue_batch([JobModel(workflow="noop", payload=PAYLOAD) for _ in range(scenario.enqueue)])

        rate = await _saturate(put, lambda: done, scenario.enqueue, seconds)
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
        await asyncio.gather(*runs)
    return rate


async def pgqueuer(url: str, scenario: Scenario, seconds: float) -> float:
    """Return jobs per second of the library PgQueuer."""
    from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries  # noqa: PLC0415 - only where it is measured
    from pgqueuer.models import Job  # noqa: PLC0415
    from datetime import timedelta

    done = 0
    async with asyncpg.create_pool(url, min_size=1, max_size=scenario.consumers * 2 + 2) as pool:
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        workers = []
        for _ in range(scenario.consumers):
            worker = PgQueuer(AsyncpgPoolDriver(pool))

            @worker.entrypoint("noop")
            async def noop(_job: Job) -> None:
                nonlocal done
                done += 1

            workers.append(worker)
        runs = [
            asyncio.create_task(w.run(dequeue_timeout=timedelta(seconds=1), batch_size=scenario.claim)) for w in workers
        ]
        payload = b"x" * 150

        async def put() -> None:
            n = scenario.enqueue
            await queries.enqueue(["noop"] * n, [payload] * n, [0] * n)

        rate = await _saturate(put, lambda: done, scenario.enqueue, seconds)
        for w in workers:
            w.shutdown.set()
        await asyncio.gather(*runs)
    return rate


async def _saturate(put: Callable[[], Awaitable[None]], done: Callable[[], int], batch: int, seconds: float) -> float:
    """Keep a short backlog while the clock runs, and return jobs ended per second."""
    backlog = max(2000, 10 * batch)
    running = True
    sent = 0

    async def feed() -> None:
        nonlocal sent
        while running:
            if sent - done() < backlog:
                await put()
                sent += batch
            else:
                await asyncio.sleep(0.001)

    feeders = [asyncio.create_task(feed()) for _ in range(2)]
    while done() < 200:
        await asyncio.sleep(0.01)
    began, before = time.monotonic(), done()
    await asyncio.sleep(seconds)
    rate = (done() - before) / (time.monotonic() - began)
    running = False
    await asyncio.gather(*feeders)
    while done() < sent:
        await asyncio.sleep(0.01)
    return rate


async def fresh_database(server: EmbeddedPostgres, name: str) -> str:
    connection = await asyncpg.connect(server.url)
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return server.url.rsplit("/", 1)[0] + "/" + name


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", type=int)
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    with EmbeddedPostgres() as server:
        for number, scenario in enumerate(SCENARIOS):
            if arguments.only is not None and number != arguments.only:
                continue
            ours, theirs = [], []
            for turn in range(arguments.rounds):
                url = await fresh_database(server, f"casare_{number}_{turn}")
                ours.append(await casare(url, scenario, arguments.seconds))
                if not arguments.no_peer:
                    url = await fresh_database(server, f"pgqueuer_{number}_{turn}")
                    theirs.append(await pgqueuer(url, scenario, arguments.seconds))
            print(
                scenario,
                "casare",
                [round(r) for r in ours],
                "pgqueuer",
                [round(r) for r in theirs],
                "ratio",
                [round(a / b, 2) for a, b in zip(ours, theirs)],
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
