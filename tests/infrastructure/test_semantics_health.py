"""`health_check` tells what it found and never raises."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION

if TYPE_CHECKING:
    import asyncpg
    import pytest


async def test_a_healthy_queue_tells_its_latency_and_versions(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    health = await producer.health_check()
    server = await connection.fetchval("SHOW server_version")
    assert (health.ok, health.error, health.schema_version) == (True, None, PROGRAM_VERSION)
    assert health.latency_ms is not None
    assert 0 < health.latency_ms < 5000
    assert health.server_version is not None
    assert server.split()[0] == health.server_version


async def test_it_needs_no_open_producer(config: QueueConfig) -> None:
    producer = PgQueuerProducer(config)
    assert (await producer.health_check()).ok
    async with producer:
        pass
    assert (await producer.health_check()).ok


async def test_without_a_url_it_names_the_variable() -> None:
    health = await PgQueuerProducer(QueueConfig()).health_check()
    assert not health.ok
    assert "PGQUEUER_DATABASE_URL" in (health.error or "")


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"postgresql://robot:s3cret@127.0.0.1:{port}/queue"
    health = await PgQueuerProducer(QueueConfig(database_url=url)).health_check()
    assert (health.ok, health.latency_ms, health.server_version) == (False, None, None)
    assert f"127.0.0.1:{port}" in (health.error or "")
    assert "s3cret" not in (health.error or "")


async def test_a_server_that_never_answers_is_given_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casare_rpa.infrastructure.queue.producer.HEALTH_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        health = await PgQueuerProducer(
            QueueConfig(database_url=f"postgresql://robot:s3cret@127.0.0.1:{port}/queue?sslmode=disable")
        ).health_check()
        assert time.monotonic() - began < 3
    assert not health.ok
    assert "no answer" in (health.error or "")


async def test_a_wrong_password_is_told_without_the_password(config: QueueConfig, database_url: str) -> None:
    rest = database_url.rsplit("@", 1)[1]
    wrong = QueueConfig(database_url=f"postgresql://casare:s3cret@{rest}")
    health = await PgQueuerProducer(wrong).health_check()
    assert not health.ok
    assert "password authentication failed" in (health.error or "")
    assert "s3cret" not in (health.error or "")


async def test_a_database_that_does_not_exist_is_named(config: QueueConfig, database_url: str) -> None:
    missing = QueueConfig(database_url=database_url.rsplit("/", 1)[0] + "/no_such_database")
    health = await PgQueuerProducer(missing).health_check()
    assert not health.ok
    assert "no_such_database" in (health.error or "")


async def test_a_database_without_the_schema_says_what_to_run(empty_database_url: str) -> None:
    health = await PgQueuerProducer(QueueConfig(database_url=empty_database_url)).health_check()
    assert not health.ok
    assert "casare migrate" in (health.error or "")


async def test_a_schema_that_is_too_new_for_this_program_is_not_healthy(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await connection.execute("INSERT INTO pgqueuer.migrations (version, name, oldest_program) VALUES (9, 'future', 9)")
    health = await producer.health_check()
    assert not health.ok
    assert "update casare-rpa" in (health.error or "")


async def test_it_still_answers_when_the_database_is_dropped_under_it(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await connection.execute("DROP SCHEMA pgqueuer CASCADE")
    health = await producer.health_check()
    assert not health.ok
    assert health.error
