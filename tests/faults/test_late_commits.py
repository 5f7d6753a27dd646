"""Robots scan from a floor. A job whose transaction drew its place early and commits late lies below those that were seen, and is
found all the same, at once."""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel
from casare_rpa.infrastructure.queue.consuming.floors import Floors
from tests.faults.fleet import Ledger, load, robots
from tests.floors import learn
from tests.waiting import eventually

CLAIM = "SELECT * FROM pgqueuer.claim_jobs($1, $2, 'r', $3, 1, '{}', 30, true, $4, $5, $6)"
LONGEST_WAIT = 5.0
"""Seconds that a job may wait while robots are free."""


class Claims:
    """Claims as one robot does, from its floors, without a sweep from zero."""

    def __init__(self, connection, queue):
        self.floors = Floors()
        self._connection = connection
        self._queue = queue
        self._robot = uuid4()

    async def claim(self, limit, floors=None):
        floors = floors or (self.floors.routes, self.floors.places)
        rows = await self._connection.fetch(CLAIM, self._queue, limit, self._robot, True, *floors)
        rows = [row for row in rows if row["id"]]
        learn(self.floors, rows, rows[0] if rows else None, full=len(rows) >= limit)
        return rows


@pytest.fixture
async def late(database_url):
    """A connection for the transaction that commits late."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def test_it_lies_above_the_floor_until_it_has_committed(connection, late, producer, config):
    claims = Claims(connection, config.queue_name)
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(30)])
    for _ in range(3):
        await claims.claim(10)
    [floor_before] = claims.floors.places
    assert floor_before > 0

    transaction = late.transaction()
    await transaction.start()
    expected = await producer.enqueue_job(JobModel(workflow="late"), connection=late)
    for _ in range(10):
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(10)])
        seen = await claims.claim(10)
        assert len(seen) == 10
    await transaction.commit()

    [route] = claims.floors.routes
    naive = ([route], [max(row["seq"] for row in seen)])
    assert [row["id"] for row in await claims.claim(10, naive)] == [], (
        "nothing lies below what was seen: this shows nothing"
    )
    [found] = await claims.claim(10)
    assert found["id"] == expected
    assert found["seq"] < min(row["seq"] for row in seen)


async def test_the_floor_rises_again_when_the_late_one_has_ended(connection, late, producer, config):
    """Else every scan would walk over what was settled since, for as long as vacuum cannot remove it."""
    claims = Claims(connection, config.queue_name)
    transaction = late.transaction()
    await transaction.start()
    await late.fetchval("SELECT pg_current_xact_id()")  # any transaction that has written
    for _ in range(5):
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(10)])
        held = await claims.claim(10)
    stuck = list(claims.floors.places)
    await transaction.rollback()
    for _ in range(3):
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(10)])
        await claims.claim(10)

    assert stuck in ([], [0])
    assert claims.floors.places[0] >= min(row["seq"] for row in held)


async def test_a_running_robot_finds_it_promptly(config, late, producer):
    """The load is one that leaves the robots free: the late job does not stand behind a backlog."""
    ledger = Ledger()
    async with robots(config, 2, ledger), load(config, batch=5, pause=0.05):
        for _ in range(5):
            async with late.transaction():
                job_id = await producer.enqueue_job(
                    JobModel(workflow="late", queue_name=config.queue_name), connection=late
                )
                await ledger.grows_by(30)
            committed = time.monotonic()
            await eventually(partial(ledger.handled.get, job_id), LONGEST_WAIT)
            assert time.monotonic() - committed < LONGEST_WAIT


async def test_ten_producers_that_commit_when_they_please(config, database_url, producer):
    committed, claimed = {}, {}

    async def note(job):
        claimed[job.id] = time.monotonic()

    async def produce():
        connection = await asyncpg.connect(database_url)
        for _ in range(15):
            async with connection.transaction():
                job_id = await producer.enqueue_job(JobModel(workflow="w"), connection=connection)
                await asyncio.sleep(random.uniform(0, 0.3))  # the caller's own work in this transaction
            committed[job_id] = time.monotonic()
        await connection.close()

    async with robots(config, 3, Ledger(note)):
        await asyncio.gather(*(produce() for _ in range(10)))
        await eventually(lambda: claimed.keys() == committed.keys(), LONGEST_WAIT)

    assert len(committed) == 150
    assert max(claimed[job_id] - committed[job_id] for job_id in committed) < LONGEST_WAIT


async def test_jobs_flow_beside_a_transaction_that_writes_for_hours(config, late, producer):
    ledger = Ledger()
    async with late.transaction():
        await late.fetchval("SELECT pg_current_xact_id()")
        async with robots(config, 2, ledger), load(config):
            await ledger.grows_by(1500)


async def test_what_a_claimer_had_locked_when_it_died_is_found_although_there_is_plenty_of_other_work(
    config, late, producer
):
    """The others passed over it and raised their floors. It is the oldest work there is, and must not wait for the youngest."""
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(5)])
    ledger = Ledger()
    transaction = late.transaction()
    await transaction.start()
    await late.fetch(CLAIM, config.queue_name, 5, uuid4(), True, [], [])
    async with load(config, batch=200):
        async with robots(config, 1, ledger):
            await ledger.grows_by(1000)
            await transaction.rollback()
            await eventually(lambda: set(ids) <= set(ledger.handled), 1.5 * LONGEST_WAIT)
        assert await producer.get_queue_depth() > 0, "the work ran out: this shows nothing"
