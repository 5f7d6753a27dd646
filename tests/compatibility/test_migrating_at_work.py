"""A large database of version 1 is migrated while the queue works: nobody stands still, whoever reads, and whatever breaks off."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import asyncpg
import pytest

from casare_rpa.infrastructure.postgres import connection as connecting
from casare_rpa.infrastructure.postgres import indexes, patience
from casare_rpa.infrastructure.postgres.migrator import Blueprint
from casare_rpa.infrastructure.queue import DatabaseUnavailable, MigrationFailed, QueueConfig, migrate
from casare_rpa.infrastructure.queue.schema import BLUEPRINT, PROGRAM_VERSION
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.postgres.sessions import PlainConnection

LETTERS = """
    INSERT INTO pgqueuer.dead_letter_queue (id, seq, created_at, finished_at, retry_delay, max_retries, attempt, crashes, priority,
                                            enable_dlq, reason, queue_name, workflow, on_crash, error, payload)
    SELECT gen_random_uuid(), n, now(), now() - n * interval '1 s', 5, 3, 3, 0, 5, true, 'exhausted', 'q', 'w', 'retry',
           repeat('line of a traceback ' || n, 5), '{"n": 1}' FROM generate_series(1, $1::integer) n"""
HISTORY = """
    INSERT INTO pgqueuer.job_history (id, seq, created_at, finished_at, retry_delay, status, max_retries, attempt, crashes,
                                      priority, queue_name, workflow, on_crash, tenant_id, payload)
    SELECT gen_random_uuid(), n, now(), now(), 5, 'COMPLETED', 3, 1, 0, 5, 'q', 'w', 'retry', 'berlin', '{}'
      FROM generate_series(1, $1::integer) n"""
# What looking up a job and a job's failure for good do to the tables.
LOOK = "SELECT status FROM pgqueuer.all_jobs WHERE id = gen_random_uuid()"
FAIL = LETTERS.replace("$1::integer", "1")
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indrelid::regclass::text LIKE 'pgqueuer.%'"
LONGEST = 1.5
"""Seconds that a call may take beside a migration, on a machine that is busy with other tests."""


@pytest.fixture
async def other(old: asyncpg.Connection, empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session that is in the way."""
    connection = await asyncpg.connect(empty_database_url, server_settings={"application_name": "a long reader"})
    yield connection
    await connection.close()


@contextlib.asynccontextmanager
async def at_work(url: str) -> AsyncIterator[list[float]]:
    """Let a session look up and fail jobs all the time; yields how long each call took."""
    took: list[float] = []
    connection = await asyncpg.connect(url)

    async def work() -> None:
        while True:
            for statement in (LOOK, FAIL):
                began = time.monotonic()
                await connection.execute(statement)
                took.append(time.monotonic() - began)
            await asyncio.sleep(0.005)

    working = asyncio.create_task(work())
    try:
        yield took
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        connection.terminate()


async def missing_indexes(connection: asyncpg.Connection) -> list[str]:
    """Return the indexes of the migrations that are not there or not valid."""
    valid = {
        row["name"]
        for row in await connection.fetch(
            "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indisvalid AND c.relnamespace = 'pgqueuer'::regnamespace"
        )
    }
    wanted = [index.name for migration in BLUEPRINT.numbered_migrations() for index in migration.indexes]
    assert wanted
    return [name for name in wanted if name not in valid]


async def test_nobody_stands_still_while_a_large_database_is_migrated(
    old: asyncpg.Connection, config: QueueConfig
) -> None:
    await old.execute(LETTERS, 50_000)
    await old.execute(HISTORY, 20_000)
    async with at_work(config.require_url()) as took:
        await eventually(lambda: took)
        assert await migrate(config) == PROGRAM_VERSION
    assert max(took) < LONGEST
    assert not await missing_indexes(old)
    assert not await old.fetch(INVALID)


async def test_a_reader_is_waited_for_and_nobody_waits_behind_the_migration(
    old: asyncpg.Connection, config: QueueConfig, other: asyncpg.Connection
) -> None:
    await other.execute("BEGIN")
    await other.execute("SELECT FROM pgqueuer.dead_letter_queue LIMIT 1")
    async with at_work(config.require_url()) as took:
        migrating = asyncio.create_task(migrate(config))
        await eventually(lambda: sum(seconds > 0.1 for seconds in took) >= 2, why="the migration has tried twice")
        assert not migrating.done()
        await other.execute("COMMIT")
        assert await migrating == PROGRAM_VERSION
    assert max(took) < LONGEST
    assert not await missing_indexes(old)


async def test_a_reader_that_does_not_end_is_named(
    old: asyncpg.Connection, config: QueueConfig, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    await other.execute("BEGIN")
    await other.execute("SELECT FROM pgqueuer.dead_letter_queue LIMIT 1")
    with pytest.raises(MigrationFailed, match=f"tables are in use.* {other.get_server_pid()} .a long reader, since"):
        await migrate(config)
    assert await old.fetchval("SELECT max(version) FROM pgqueuer.migrations") == 1


async def test_an_index_that_was_left_half_built_is_built_by_the_next_migration(
    old: asyncpg.Connection, config: QueueConfig, other: asyncpg.Connection
) -> None:
    await old.execute(HISTORY, 10)
    await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await other.execute("SELECT 1")  # its snapshot is what a build beside the work waits for
    migrating = asyncio.create_task(migrate(config))
    await eventually(lambda: old.fetch(INVALID), why="a build has begun")
    building = "query LIKE 'CREATE INDEX CONCURRENTLY%' AND datname = current_database()"
    await old.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {building} AND pid <> pg_backend_pid()"
    )
    with pytest.raises(DatabaseUnavailable):
        await migrating
    await other.execute("COMMIT")
    assert await old.fetch(INVALID)
    assert await old.fetchval("SELECT max(version) FROM pgqueuer.migrations") == PROGRAM_VERSION
    assert await asyncio.gather(*(migrate(config) for _ in range(3))) == [PROGRAM_VERSION] * 3
    assert not await old.fetch(INVALID)
    assert not await missing_indexes(old)


async def test_migrations_that_wait_their_turn_hold_up_no_build(
    config: QueueConfig, old: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks whether it is its turn has a snapshot while it does; a build that finds it waits for its transaction."""
    guards = []

    async def connect(url: str, name: str) -> PlainConnection:
        guard = await connecting.connect(url, name)
        answer = guard.fetchval

        async def read_slowly(*arguments: object) -> object:
            answered = await answer(*arguments)
            await asyncio.sleep(0.05)
            return answered

        monkeypatch.setattr(guard, "fetchval", read_slowly)
        guards.append(guard)
        return guard

    monkeypatch.setattr(indexes, "connect", connect)
    await old.execute(HISTORY, 10)
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(migrate(config) for _ in range(3))) == [PROGRAM_VERSION] * 3
    assert len(guards) > 1, "none had to wait"
    assert not await missing_indexes(old)


async def test_a_statement_may_take_longer_than_a_programs_calls(
    config: QueueConfig, old: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting.connect, "__kwdefaults__", {"own_session": False, "patience": 0.3})
    real = Blueprint.function_files

    def slow(self: Blueprint) -> list[tuple[str, str]]:
        return [*real(self), ("slow.sql", "SELECT pg_sleep(0.5)")]

    monkeypatch.setattr(Blueprint, "function_files", slow)
    assert await migrate(config) == PROGRAM_VERSION
