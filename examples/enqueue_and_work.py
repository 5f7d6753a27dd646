"""A producer and a robot in one program: three sums are enqueued, worked on, and looked up."""

import asyncio
from typing import Any
from uuid import UUID

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig, migrate


async def add(job: JobModel) -> dict[str, Any]:
    return {"sum": sum(job.payload["numbers"])}


async def ended(producer: PgQueuerProducer, job_id: UUID) -> JobModel:
    while not (job := await producer.get_job(job_id)).status.is_final:  # noqa: ASYNC110 - the database has no event
        await asyncio.sleep(0.05)
    return job


async def main() -> None:
    config = QueueConfig.from_env(queue_name="sums")
    await migrate(config)
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="robot-1") as robot:
        working = asyncio.create_task(robot.run(add))
        ids = await producer.enqueue_batch(
            [JobModel(workflow="add", payload={"numbers": list(range(n))}) for n in (3, 10, 100)]
        )
        for job_id in ids:
            job = await ended(producer, job_id)
            print(f"{len(job.payload['numbers'])} numbers: {job.status}, {job.result}")
        await robot.stop()
        await working


asyncio.run(main())
