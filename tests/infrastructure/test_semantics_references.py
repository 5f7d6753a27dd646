"""A reference belongs to one job of its tenant and queue for as long as any record of that job exists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    PgQueuerProducer,
)
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg


def job(reference: str = "invoice-7", **fields: str) -> JobModel:
    return JobModel.model_validate({"workflow": "w", "reference": reference, **fields})


async def test_a_rolled_back_enqueue_takes_no_reference(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await producer.enqueue_job(job(), connection=connection)
    waiting = asyncio.create_task(producer.enqueue_job(job()))
    await eventually(
        lambda: connection.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"),
        why="the second one waits for the first one's transaction",
    )
    await transaction.rollback()
    assert await producer.get_job_status(await waiting) is JobStatus.PENDING
