"""The floor: three statements, each committed for itself, over the driver that CasareRPA uses. See floor.sql for the tables.

A worker has as many connections as one of ours, two: on each it claims `claim` jobs, calls the handler for each, and moves them
to the history. One that claims one at a time uses one, as ours holds one job at a time then. A worker that found nothing looks
again after 5 ms.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.clients.common import Cannot, main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.clients.common import Payload, Tally
    from benchmarks.order import Order

TERMINAL_SQL = "SELECT count(*) FROM floor_history"

INSERT = "INSERT INTO floor_jobs (priority, payload) SELECT * FROM unnest($1::integer[], $2::jsonb[])"
CLAIM = """
UPDATE floor_jobs SET claimed_at = now()
 WHERE id = ANY (ARRAY(SELECT id FROM floor_jobs WHERE claimed_at IS NULL
                        ORDER BY priority DESC, id LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING id, payload"""
FINISH = """
WITH done AS (DELETE FROM floor_jobs WHERE id = ANY ($1::bigint[]) RETURNING id, priority, payload, created_at, claimed_at)
INSERT INTO floor_history (id, priority, payload, created_at, claimed_at) SELECT * FROM done"""
PLANS = {"enable_seqscan": "off", "enable_sort": "off", "jit": "off"}
"""What is planned while the tables are empty must be right when they are full."""


class Floor:
    """PostgreSQL itself, as nearly as a queue can come to it."""

    terminal_sql: str | None = TERMINAL_SQL

    async def install(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
        finally:
            await connection.close()

    @asynccontextmanager
    async def producer(self, order: Order, calls: int) -> AsyncIterator[Producer]:
        if order.mixed or order.unfit:
            raise Cannot("it has no due times and no requirements")
        async with asyncpg.create_pool(order.url, min_size=1, max_size=min(calls, 10)) as pool:
            yield Producer(pool)

    @asynccontextmanager
    async def workers(self, order: Order, workers: int, each: int, tally: Tally) -> AsyncIterator[None]:
        if order.do == "work":
            raise Cannot("it has no notifications: its latency would be that of its polling")
        running = asyncio.Event()
        running.set()
        loops = workers * (2 if each > 1 else 1)
        async with asyncpg.create_pool(order.url, min_size=loops, max_size=loops, server_settings=PLANS) as pool:
            tasks = [asyncio.create_task(work(pool, each, tally, running)) for _ in range(loops)]
            yield
            running.clear()
            await asyncio.gather(*tasks)


class Producer:
    """Inserts jobs."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    def bulk(self, payload: Payload, jobs: int) -> Callable[[], Awaitable[object]]:
        priorities, payloads = [0] * jobs, [json.dumps(payload)] * jobs
        return lambda: self._pool.execute(INSERT, priorities, payloads)

    async def submit(self, payload: Payload) -> object:
        return await self._pool.execute(INSERT, [0], [json.dumps(payload)])


async def work(pool: asyncpg.Pool, batch: int, tally: Tally, running: asyncio.Event) -> None:
    """Claim, do and finish jobs for as long as the worker runs."""
    async with pool.acquire() as connection:
        claim, finish = await connection.prepare(CLAIM), await connection.prepare(FINISH)
        while running.is_set():
            rows = await claim.fetch(batch)
            if not rows:
                await asyncio.sleep(0.005)
                continue
            for row in rows:
                await noop(json.loads(row["payload"]))
            await finish.fetch([row["id"] for row in rows])
            tally.ended += len(rows)


async def noop(_: Payload) -> None:
    """Do what every system's handler does."""


if __name__ == "__main__":
    main(Floor())
