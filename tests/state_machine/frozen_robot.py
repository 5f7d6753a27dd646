"""A robot that claims every job, is frozen by the test, and then tries to settle what it believes it holds.

Usage: python frozen_robot.py URL QUEUE JOBS. It prints a line when it holds the jobs, waits for a line on its input, then prints
one line for each thing that it tried: the job, the call, and what came of it.
"""

from __future__ import annotations

import asyncio
import sys

from casare_rpa.infrastructure.queue import LeaseLost, PgQueuerConsumer, QueueConfig


async def main(url: str, queue: str, limit: int) -> None:
    config = QueueConfig(database_url=url, queue_name=queue, visibility_timeout=1.0)
    async with PgQueuerConsumer(config, robot_id="frozen") as consumer:
        jobs = await consumer.claim_jobs(limit)
        print(f"holds {len(jobs)}", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for job in jobs:
            for name, call in (
                ("start", consumer.start_job(job)),
                ("complete", consumer.complete_job(job, {"by": "the frozen one"})),
                ("fail", consumer.fail_job(job, "thawed")),
                ("fail for business", consumer.fail_job(job, "thawed", business=True)),
                ("release", consumer.release_job(job)),
            ):
                came: object
                try:
                    came = await call
                except LeaseLost as lost:
                    came = "LeaseLost" if lost.job_id == job.id else "of another job"
                print(f"{job.id} {name}: {came}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
