"""A producer and a robot in one program: three sums are enqueued, worked on, and looked up."""

import asyncio
from typing import Any

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig, migrate


async def add(job: JobModel) -> dict[str, Any]:
    return {"sum": sum(job.payload["numbers"])}


async def main() -> None:
    config = QueueConfig.from_env(queue_name="sums")
    await migrate(config)
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="robot-1") as robot:
        working = asyncio.create_task(robot.run(add))
        ids = await producer.enqueue_batch(
            [JobModel(workflow="add", payload={"numbers": list(range(n))}) for n in (3, 10, 100)]
        )
        for job_id in ids:
            job = await producer.wait_for(job_id)
            print(f"{len(job.payload['numbers'])} numbers: {job.status}, {job.result}")
        await robot.stop()
        await working


asyncio.run(main())
