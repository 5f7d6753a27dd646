"""Who is claimed first: priority, then the place that the database gave, among jobs visible and unlocked at the claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.infrastructure.helpers import claim, id_of, jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, robot_id="robot-1", capabilities=["excel", "sap"]) as opened:
        yield opened


async def test_a_job_that_another_session_has_locked_is_passed_over(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, connection: asyncpg.Connection
) -> None:
    ids = await producer.enqueue_batch(jobs(0, 1, 2))
    async with connection.transaction():
        await connection.execute("SELECT FROM pgqueuer.jobs WHERE id = $1 FOR UPDATE", ids[0])
        assert (await claim(consumer)).payload["n"] == 1
    assert (await claim(consumer)).payload["n"] == 0


async def test_a_job_that_commits_late_is_claimed_although_later_places_are_gone(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, connection: asyncpg.Connection
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    late = await producer.enqueue_job(*jobs(0), connection=connection)
    await producer.enqueue_batch(jobs(*range(1, 8)))
    for n in range(1, 8):
        assert (await consumer.claim_jobs(1))[0].payload["n"] == n
    await transaction.commit()
    assert id_of(await _next(consumer)) == late


async def _next(consumer: PgQueuerConsumer) -> JobModel:
    (job,) = await consumer.claim_jobs(1)
    return job
