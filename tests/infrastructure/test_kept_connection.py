"""The connection that a robot keeps from claim to claim: lent to one call at a time, never lost, and never kept broken."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from casare_rpa.infrastructure.queue.pool import KeptConnection, open_pool
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig

PID = "SELECT pg_backend_pid()"
BUSY = "SELECT pg_sleep(600)"


@contextlib.asynccontextmanager
async def pool_of(config: QueueConfig, size: int) -> AsyncIterator[asyncpg.Pool]:
    """A pool that has got back all it lent at the end: else closing it would wait."""
    pool = await open_pool(config.model_copy(update={"connection_pool_size": size}), "keeper")
    try:
        yield pool
        await asyncio.wait_for(pool.close(), 5.0)
    finally:
        pool.terminate()


@pytest.fixture
async def pool(config: QueueConfig) -> AsyncIterator[asyncpg.Pool]:
    async with pool_of(config, 2) as opened:
        yield opened


async def pid_of(kept: KeptConnection) -> int:
    async with kept as connection:
        pid: int = await connection.fetchval(PID)
        return pid


async def end(pid: int, connection: asyncpg.Connection) -> None:
    """End a session from the server's side, and wait until it is gone."""
    await connection.fetchval("SELECT pg_terminate_backend($1)", pid)
    await eventually(
        lambda: connection.fetchval("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid)
    )


async def is_busy(pid: int, connection: asyncpg.Connection) -> None:
    await eventually(lambda: connection.fetchval("SELECT query = $2 FROM pg_stat_activity WHERE pid = $1", pid, BUSY))


async def test_it_is_kept_from_call_to_call(pool: asyncpg.Pool) -> None:
    kept = KeptConnection(pool)
    pid = await pid_of(kept)
    assert pool.get_idle_size() == 0
    async with pool.acquire() as other:  # of the two of the pool
        assert await other.fetchval(PID) != pid
        assert await pid_of(kept) == pid
    assert await pid_of(kept) == pid

    await kept.give_back()
    await kept.give_back()
    assert pool.get_idle_size() == pool.get_size() == 2


async def test_the_only_one_of_a_pool_is_given_back_after_each_call(config: QueueConfig) -> None:
    async with pool_of(config, 1) as pool:
        kept = KeptConnection(pool)
        pid = await pid_of(kept)
        async with asyncio.timeout(5), pool.acquire() as other:
            assert await other.fetchval(PID) == pid
        assert await pid_of(kept) == pid


async def test_after_an_error_of_the_call_it_is_given_back_whole(pool: asyncpg.Pool) -> None:
    kept = KeptConnection(pool)
    pid = await pid_of(kept)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with kept as connection:
            await connection.fetchval("SELECT 1 / 0")
    assert pool.get_idle_size() == 1
    assert await pid_of(kept) == pid
    await kept.give_back()


@pytest.mark.parametrize("how", ["timed out", "cancelled", "lost track of"])
async def test_after_an_error_that_leaves_it_nobody_knows_where_it_is_dropped(
    pool: asyncpg.Pool, connection: asyncpg.Connection, how: str
) -> None:
    kept = KeptConnection(pool)
    pid = await pid_of(kept)

    async def call() -> None:
        async with kept as held:
            if how == "lost track of":
                raise asyncpg.InternalClientError("in the middle of another step")
            async with asyncio.timeout(0.05 if how == "timed out" else None):
                await held.fetchval(BUSY)

    calling = asyncio.create_task(call())
    if how == "cancelled":
        await is_busy(pid, connection)
        calling.cancel()
    with pytest.raises((TimeoutError, asyncio.CancelledError, asyncpg.InternalClientError)):
        await calling
    assert pool.get_size() == 0
    assert await pid_of(kept) != pid
    await kept.give_back()
    await connection.execute("SELECT pg_terminate_backend($1)", pid)


async def test_one_that_the_server_ended_between_two_calls_is_replaced(
    pool: asyncpg.Pool, connection: asyncpg.Connection
) -> None:
    kept = KeptConnection(pool)
    pid = await pid_of(kept)
    await end(pid, connection)
    await eventually(lambda: pool.get_size() == 0, why="the pool has seen it")
    assert await pid_of(kept) != pid
    await kept.give_back()
    assert pool.get_idle_size() == 1


async def test_one_that_the_server_ended_during_a_call_is_replaced(
    pool: asyncpg.Pool, connection: asyncpg.Connection
) -> None:
    kept = KeptConnection(pool)
    pid = await pid_of(kept)

    async def call() -> None:
        async with kept as held:
            await held.fetchval(BUSY)

    calling = asyncio.create_task(call())
    await is_busy(pid, connection)
    await end(pid, connection)
    with pytest.raises(asyncpg.PostgresError, match="administrator command"):
        await calling
    assert await pid_of(kept) != pid
    await kept.give_back()


async def test_one_that_ends_while_it_is_given_back_is_given_back(pool: asyncpg.Pool) -> None:
    """The loop hears of it after the pool has looked, and before it does anything."""
    kept = KeptConnection(pool)
    pid = await pid_of(kept)
    held = kept._connection
    assert held is not None
    asyncio.get_running_loop().call_soon(held.terminate)
    await kept.give_back()
    assert pool.get_size() == 0
    assert await pid_of(kept) != pid
    await kept.give_back()


@pytest.mark.parametrize("size", [1, 2])
async def test_a_robot_claims_again_after_the_server_ended_its_connection(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, size: int
) -> None:
    """Whatever it was doing meanwhile; and when it stops, nothing of it is left."""
    mine = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'casare robot r'"
    async with PgQueuerConsumer(config.model_copy(update={"connection_pool_size": size}), "r") as robot:
        for n in range(3):
            await producer.enqueue_job(JobModel(workflow="w", payload={"n": n}))
            job = await robot.claim_job()
            assert job is not None
            assert job.payload["n"] == n
            await robot.complete_job(job)
            assert await robot.claim_job() is None
            for pid in await connection.fetchval(mine):
                await end(pid, connection)
    assert await connection.fetchval(mine) is None


async def test_a_robot_that_runs_claims_again_after_the_server_ended_its_connection(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    handled: list[int] = []

    async def handle(job: JobModel) -> None:
        handled.append(job.payload["n"])

    mine = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'casare robot r'"
    async with PgQueuerConsumer(config, "r") as robot:
        working = asyncio.create_task(robot.run(handle))
        for n in range(3):
            await producer.enqueue_job(JobModel(workflow="w", payload={"n": n}))
            await eventually(lambda: len(handled) == n + 1, why=f"job {n} is handled")  # noqa: B023 - awaited here
            for pid in await connection.fetchval(mine) or []:
                await end(pid, connection)
        await robot.stop()
        await working
    assert handled == [0, 1, 2]
    assert await connection.fetchval(mine) is None


async def test_a_robot_gives_it_back_when_it_stops(
    config: QueueConfig, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else closing the pool waits for it, for five seconds, and then ends it rudely."""
    ended_rudely: list[asyncpg.Pool] = []
    monkeypatch.setattr(asyncpg.Pool, "terminate", ended_rudely.append)
    await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, "r") as robot:
        assert await robot.claim_job() is not None
        pool = robot._pool
        assert pool is not None
        assert pool.get_size() > pool.get_idle_size(), "it is kept"
    assert pool.is_closing()
    assert ended_rudely == []
