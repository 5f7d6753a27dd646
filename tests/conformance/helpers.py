"""What several files of the suite need: robots that die, time that passes, what the records hold."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.infrastructure.helpers import claim, id_of, jobs, numbers, vanish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, QueueConfig
    from tests.conformance.queues import Clock, Maker, Queue

__all__ = [
    "claim",
    "contents",
    "crash",
    "id_of",
    "jobs",
    "numbers",
    "pass_retention",
    "pass_time",
    "robot_without_heartbeat",
    "vanish",
]


@contextlib.asynccontextmanager
async def robot_without_heartbeat(
    queue: Maker, config: QueueConfig, robot_id: str = "doomed"
) -> AsyncIterator[PgQueuerConsumer]:
    """A robot whose lifeline is dead from the start; at the end it vanishes and releases nothing."""
    consumer = queue.consumer(config, robot_id)
    await consumer.__aenter__()
    await consumer._lifeline.stop()
    try:
        yield consumer
    finally:
        await vanish(consumer)


async def crash(queue: Queue, config: QueueConfig, *, start: bool = True) -> JobModel:
    """Let a robot claim the next job, start it, and vanish."""
    async with robot_without_heartbeat(queue, config) as robot:
        job = await claim(robot)
        if start:
            await robot.start_job(job)
        return job


async def pass_time(clock: Clock, seconds: float) -> None:
    """Let time pass during which somebody did the upkeep all along, and do it once more at the end."""
    await clock.pass_time(seconds)


async def pass_retention(clock: Clock) -> None:
    """Let more than 90 days pass; PostgreSQL drops a week of history at a time."""
    await pass_time(clock, 99 * 86400)
    for _ in range(4):
        await pass_time(clock, 1)


async def contents(queue: Queue) -> dict[str, list[str]]:
    """Return every record as text: to show that a call has changed nothing."""
    return await queue.contents()
