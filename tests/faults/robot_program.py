"""A robot that never ends its jobs and says which one it has begun. Usage: robot_program.py SETTINGS, as JSON."""

import asyncio
import sys

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, QueueConfig


async def main() -> None:
    async with PgQueuerConsumer(QueueConfig.model_validate_json(sys.argv[1]), "to be killed") as consumer:
        await consumer.run(begin)


async def begin(job: JobModel) -> None:
    print(job.id, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
