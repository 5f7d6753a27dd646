"""The dead letter queue: why a job is there, and how a person puts it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import claim, id_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, robot_id="robot-1") as opened:
        yield opened


async def bury(consumer: PgQueuerConsumer, error: str = "no") -> UUID:
    """Let the next job fail for good."""
    job = await claim(consumer)
    await consumer.fail_job(job, error, business=True)
    return id_of(job)


async def test_a_job_that_failed_for_good_lies_in_the_dead_letter_queue_alone(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job_id = await bury(consumer)
    assert await connection.fetch("SELECT id FROM pgqueuer.dead_letter_queue") == [(job_id,)]
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 0
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_history") == 0
    dead = await producer.get_job(job_id)
    assert dead.status is JobStatus.FAILED
    assert dead.claimed_by == "robot-1"
    assert dead.finished_at is not None
