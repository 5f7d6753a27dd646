"""Asks a robot for something and waits for its answer; and follows what becomes of a job on its way there."""

import asyncio
from typing import Any

from casare_rpa.infrastructure.queue import (
    BusinessError,
    JobFailed,
    JobModel,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)


async def square(job: JobModel) -> dict[str, Any]:
    number = job.payload["number"]
    if number < 0:
        raise BusinessError("only what is not negative")
    await asyncio.sleep(0.2)
    return {"square": number * number}


async def ask(producer: PgQueuerProducer, number: int) -> str:
    job_id = await producer.enqueue_job(JobModel(workflow="square", payload={"number": number}))
    try:
        answer = await producer.handle(job_id).result(timeout=60)
    except JobFailed as error:
        return f"{number}: {error.job.error}"
    return f"{number}: {answer['square']}"


async def follow(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="square", payload={"number": 5}))
    async for event in producer.follow(job_id=job_id):
        status = event.status
    print(f"followed to its end: {status}")


async def main() -> None:
    config = QueueConfig.from_env(queue_name="squares", max_concurrent_jobs=10)
    await migrate(config)
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="robot-1") as robot:
        working = asyncio.create_task(robot.run(square))
        for answer in await asyncio.gather(*(ask(producer, number) for number in (2, 3, -1, 4))):
            print(answer)
        await follow(producer)
        await robot.stop()
        await working


asyncio.run(main())
