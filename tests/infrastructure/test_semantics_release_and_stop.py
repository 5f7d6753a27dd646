"""Handing jobs back: by hand, and when a robot stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, robot_id="robot-1") as opened:
        yield opened


async def test_a_stopped_robot_leaves_no_lease_that_could_run_out(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(*range(30)))
    running = asyncio.create_task(consumer.run(_nothing))
    await eventually(lambda: connection.fetchval("SELECT count(*) > 3 FROM pgqueuer.job_history"))
    await consumer.stop()
    await running
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs WHERE lease_token IS NOT NULL") == 0


async def _nothing(_: JobModel) -> None:
    """A handler."""
