"""Jobs in every place where jobs live, to look for and to act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import JobFilter, JobModel, QueueConfig
from tests.conformance.helpers import claim, id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from casare_rpa.infrastructure.queue import JobPage
    from tests.conformance.queues import Maker

WORK = "casare_rpa_jobs"


async def bury(
    queue: Maker, config: QueueConfig, *errors: str, business: bool = True, robot: str = "robot-1", **fields: Any
) -> list[UUID]:
    """Return the ids of new dead letters with these errors, oldest first."""
    robots = config.model_copy(update={"queue_name": fields.get("queue_name", config.queue_name)})
    ids = []
    async with queue.producer(config) as producer, queue.consumer(robots, robot) as consumer:
        for error in errors:
            await producer.enqueue_job(JobModel(**{"workflow": "w", "priority": 20, "max_retries": 1, **fields}))
            job = await claim(consumer)
            await consumer.fail_job(job, error, business=business)
            ids.append(id_of(job))
    return ids


async def complete(queue: Maker, config: QueueConfig, jobs: int, robot: str = "robot-2", **fields: Any) -> list[UUID]:
    """Return the ids of new jobs that have completed."""
    async with queue.producer(config) as producer, queue.consumer(config, robot) as consumer:
        ids = await producer.enqueue_batch(
            [JobModel(**{"workflow": "w", "priority": 20, **fields}) for _ in range(jobs)]
        )
        for job in await consumer.claim_jobs(jobs):
            await consumer.complete_job(job)
        return ids


async def all_pages(
    listing: Callable[..., Awaitable[JobPage]], where: JobFilter | None = None, limit: int = 1000
) -> list[JobModel]:
    """Return what all pages of a listing hold."""
    page = await listing(where, limit=limit)
    found = list(page)
    while page.next:
        page = await listing(where, limit=limit, after=page.next)
        found += page
    return found
