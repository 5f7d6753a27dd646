"""Jobs in every place where jobs live, to look for and to act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import JobFilter, JobModel, PgQueuerProducer, QueueConfig
from tests.conformance.helpers import claim, id_of, robot_without_heartbeat

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


async def one_of_each_kind(queue: Maker, config: QueueConfig, producer: PgQueuerProducer) -> dict[str, UUID]:
    """One job of each kind, by what it is called."""
    [waiting, labelled, other, tenants, cancelled] = await producer.enqueue_batch(
        [
            JobModel(workflow="w", reference="R-1"),
            JobModel(workflow="w", tags=["a", "b"], metadata={"customer": {"id": 7, "name": "Ann"}, "n": [1, 2]}),
            JobModel(workflow="v", queue_name="other"),
            JobModel(workflow="w", tenant_id="acme", reference="R-1"),
            JobModel(workflow="w", reference="R-2"),
        ]
    )
    await producer.cancel_job(cancelled)
    [business] = await bury(queue, config, "100% of disk_1 is full\ntrace", reference="R-3", tags=["a"])
    [exhausted] = await bury(queue, config, "Order 7 is GONE", business=False, robot="robot-3")
    await producer.assign_dead_letters(JobFilter(ids=[exhausted]), "ann")
    [completed] = await complete(queue, config, 1, reference="R-4")
    held = await producer.enqueue_job(JobModel(workflow="w", priority=20))
    patient = config.model_copy(update={"visibility_timeout": 600.0})
    async with robot_without_heartbeat(
        queue, patient, robot_id="robot-1"
    ) as robot:  # it vanishes, and its lease goes on
        assert id_of(await claim(robot)) == held
    names = {"waiting": waiting, "labelled": labelled, "other": other, "tenant's": tenants, "cancelled": cancelled}
    return names | {"business": business, "exhausted": exhausted, "completed": completed, "held": held}


SELECTS: list[tuple[dict[str, Any], str]] = [
    ({}, "waiting, labelled, other, tenant's, cancelled, business, exhausted, completed, held"),
    ({"queue_name": "other"}, "other"),
    ({"queue_name": "none of that name"}, ""),
    ({"status": "PENDING"}, "waiting, labelled, other, tenant's"),
    ({"status": ["CLAIMED", "RUNNING"]}, "held"),
    ({"status": ["CLAIMED", "PENDING"]}, "waiting, labelled, other, tenant's, held"),
    ({"status": "FAILED"}, "business, exhausted"),
    ({"status": ["COMPLETED", "CANCELLED"]}, "completed, cancelled"),
    ({"workflow": "v"}, "other"),
    ({"tenant_id": "acme"}, "tenant's"),
    ({"tags": ["a"]}, "labelled, business"),
    ({"tags": ["b", "a"]}, "labelled"),
    ({"tags": ["a", "c"]}, ""),
    ({"metadata": {"customer": {"id": 7}}}, "labelled"),
    ({"metadata": {"n": [2]}}, "labelled"),
    ({"metadata": {"customer": {"id": 8}}}, ""),
    ({"robot": "robot-1"}, "held, business"),
    ({"robot": "robot-1", "status": "CLAIMED"}, "held"),
    ({"robot": "robot-2"}, "completed"),
    ({"reference": "R-1"}, "waiting, tenant's"),
    ({"reference": "R-1", "queue_name": "other"}, ""),
    ({"reference": "R-1", "tenant_id": "acme"}, "tenant's"),
    ({"reference": "R-2"}, ""),  # its job was cancelled and has given it back
    ({"reference": "R-3"}, "business"),
    ({"reference": "R-4"}, "completed"),
    ({"error": "order 7 is gone"}, "exhausted"),
    ({"error": "100%"}, "business"),
    ({"error": "1%disk"}, ""),  # no wildcards
    ({"error": "disk_1"}, "business"),
    ({"error": "diskX1"}, ""),
    ({"reason": "business"}, "business"),
    ({"reason": "in doubt"}, ""),
    ({"shape": "Order <n> is GONE"}, "exhausted"),
    ({"assigned_to": "ann"}, "exhausted"),
    ({"assigned_to": ""}, "business"),
    ({"assigned_to": "", "status": "PENDING"}, ""),
    ({"ids": []}, ""),
]
"""Keys of a filter, and what they select of `one_of_each_kind`."""
