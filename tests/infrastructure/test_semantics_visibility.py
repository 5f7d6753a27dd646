"""A lease lasts a visibility timeout and is renewed by heartbeats. The token decides, not the clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import (
    JobModel,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import claim, robot_without_heartbeat
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg


async def test_after_a_heartbeat_that_failed_the_next_one_comes_at_once(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        await claim(consumer)
        assert consumer._leases.heartbeat_interval() == 15
        await eventually(lambda: consumer._lifeline.beats)
        beats = consumer._lifeline.beats
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'casare lifeline r'"
        )
        consumer._lifeline.beat_now()  # on the connection that has just been cut
        await eventually(lambda: consumer._lifeline.beats > beats, within=5)


async def test_upkeep_is_done_by_one_at_a_time_and_never_waited_for(
    producer: PgQueuerProducer, connection: asyncpg.Connection, config: QueueConfig
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    async with connection.transaction():
        await connection.execute("SELECT FROM pgqueuer.upkeep_state FOR UPDATE")
        async with robot_without_heartbeat(config) as robot:
            await asyncio.wait_for(claim(robot), 5)
