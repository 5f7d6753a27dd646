"""Roles belong to the server: databases that migrate at the same time meet there."""

from __future__ import annotations

import asyncio

import asyncpg

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer, QueueConfig, migrate
from tests.conftest import execute, with_database


async def test_databases_of_one_server_migrate_at_once():
    """Three databases, two migrations of each, on a server that has none of the roles yet."""
    server = EmbeddedPostgres(settings={"fsync": "off"})
    await asyncio.to_thread(server.start)
    try:
        names = ["first", "second", "third"]
        await execute(server.url, *(f"CREATE DATABASE {name}" for name in names))
        configs = [QueueConfig(database_url=with_database(server.url, name)) for name in names]

        versions = await asyncio.gather(*(migrate(config) for config in configs * 2))

        assert len(set(versions)) == 1
        for config in configs:
            async with PgQueuerProducer(config) as producer:
                await producer.enqueue_job(JobModel(workflow="w"))
                assert await producer.get_queue_depth() == 1
            connection = await asyncpg.connect(config.database_url)
            assert await connection.fetchval("SELECT count(*) FROM pgqueuer.migrations") == versions[0]
            await connection.close()
    finally:
        await asyncio.to_thread(server.stop)
