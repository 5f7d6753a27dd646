"""Every test here runs on PostgreSQL and on the queue in memory, and must not know which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tests.conformance.queues import MemoryQueue, PostgresQueue, Queue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, QueueConfig
    from tests.conformance.queues import Clock


@pytest.fixture
def postgres_queue(database_url: str, connection: asyncpg.Connection) -> Queue:
    return PostgresQueue(database_url, connection)


@pytest.fixture
def memory_queue() -> Queue:
    return MemoryQueue()


@pytest.fixture(params=["postgres", "memory"])
def queue(request: pytest.FixtureRequest) -> Queue:
    """The queue under test."""
    return cast("Queue", request.getfixturevalue(f"{request.param}_queue"))


@pytest.fixture
def config(queue: Queue) -> QueueConfig:
    return queue.config


@pytest.fixture
async def producer(queue: Queue) -> AsyncIterator[PgQueuerProducer]:
    async with queue.producer(queue.config) as opened:
        yield opened


@pytest.fixture
async def consumer(queue: Queue) -> AsyncIterator[PgQueuerConsumer]:
    async with queue.consumer(queue.config, "robot-1") as opened:
        yield opened


@pytest.fixture
async def clock(queue: Queue) -> Clock:
    """The queue's clock, stopped; it moves when the test says so."""
    return await queue.freeze()
