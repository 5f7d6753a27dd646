"""Two ways to fail: what may work later is retried; bad data goes to the dead letters, is mended, and is redriven."""

import asyncio
from typing import Any
from uuid import UUID

from casare_rpa.infrastructure.queue import (
    BusinessError,
    JobModel,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)

prices = {"pen": 2}


async def price(job: JobModel) -> dict[str, Any]:
    if job.payload.get("flaky") and job.attempt == 1:
        raise ConnectionError("the price server does not answer")
    article = job.payload["article"]
    if article not in prices:
        raise BusinessError(f"there is no price for {article}")
    return {"price": prices[article]}


async def show(producer: PgQueuerProducer, job_id: UUID) -> None:
    job = await producer.wait_for(job_id)
    outcomes = [attempt.outcome for attempt in await producer.get_attempts(job_id)]
    print(f"{job.payload['article']}: {job.status}, attempts {outcomes}, reason {job.dead_letter_reason}")


async def main() -> None:
    config = QueueConfig.from_env(queue_name="prices")
    await migrate(config)
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="robot-1") as robot:
        working = asyncio.create_task(robot.run(price))
        pen = JobModel(workflow="price", payload={"article": "pen", "flaky": True}, retry_delay=0.1)
        await show(producer, await producer.enqueue_job(pen))

        ink = await producer.enqueue_job(JobModel(workflow="price", payload={"article": "ink"}))
        await show(producer, ink)
        prices["ink"] = 9
        await producer.redrive_jobs([ink])
        await show(producer, ink)

        await robot.stop()
        await working


asyncio.run(main())
