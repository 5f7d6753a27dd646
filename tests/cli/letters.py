"""Dead letters for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig


async def bury(
    producer: PgQueuerProducer,
    config: QueueConfig,
    *,
    business: bool = False,
    jobs: int = 1,
    queue: str = "q",
    error: str = "e",
    robot: str = "robot-1",
    **fields: Any,
) -> list[UUID]:
    """Return the ids of so many new dead letters, oldest first."""
    fields = {"workflow": "w", "queue_name": queue, "max_retries": 1, **fields}
    ids = await producer.enqueue_batch([JobModel(**fields) for _ in range(jobs)])
    async with PgQueuerConsumer(config.model_copy(update={"queue_name": queue}), robot) as consumer:
        for job in await consumer.claim_jobs(jobs):
            await consumer.fail_job(job, error, business=business)
    return ids
