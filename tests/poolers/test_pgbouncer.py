"""PgBouncer in transaction mode: every transaction may run in another session, and those are shared with strangers."""

from __future__ import annotations

import asyncio
import re
import time

import asyncpg
import pytest

from casare_rpa.infrastructure.postgres import sessions
from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.queue import DatabaseUnavailable, JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer
from casare_rpa.infrastructure.queue import migrate as migrate_queue
from tests.examples.blocks import ROOT, blocks_of
from tests.faults.fleet import Ledger, each_completed_once, load, robots
from tests.faults.proxy import Proxy
from tests.poolers.conftest import database_of
from tests.poolers.pgbouncer import PgBouncer
from tests.waiting import eventually

GUIDE = ROOT / "docs" / "guides" / "deployment.md"
AT_ONCE = 1.0
"""Seconds within which a robot that hears of something has acted; one that must look by itself takes longer in these tests."""
IGNORED = ",".join(sessions._SESSION_SETTINGS)


async def hears(robot: PgQueuerConsumer) -> None:
    await eventually(lambda: robot._lifeline.hears_of_jobs, why="the robot hears of jobs")


async def beats(robot: PgQueuerConsumer) -> None:
    before = robot._lifeline.beats
    await eventually(lambda: robot._lifeline.beats > before, why="a heartbeat is answered")


# How it is found out


async def test_a_pooler_is_told_from_a_server(pooler, pooled, database_url):
    for _ in range(2):  # finding out, and knowing it
        for url, shared in [(database_url, False), (pooled.database_url, True)]:
            connection = await connect(url, "test")
            assert connection.shares_sessions is shared
            assert await connection.fetchval("SELECT $1::uuid[]", []) == []
            await connection.close()


async def test_a_pooler_that_lets_unknown_settings_pass_is_found_out_too(server, config):
    with PgBouncer(server.url, ignore_startup_parameters=IGNORED) as tolerant:
        connection = await connect(tolerant.url(database_of(config)), "test")
        assert connection.shares_sessions
        await connection.close()


async def test_a_server_that_stands_where_a_pooler_stood_is_known_again(database_url):
    sessions._doors[database_url, False] = sessions._Door.POOLED
    for shared in (True, False):
        connection = await connect(database_url, "test")
        assert connection.shares_sessions is shared
        await connection.close()


async def test_a_pooler_in_session_mode_is_as_good_as_the_server_when_that_is_said(server, config):
    with PgBouncer(server.url, pool_mode="session") as faithful:
        url = faithful.url(database_of(config))
        said = config.model_copy(update={"database_url": url, "direct_url": url, "poll_interval": 60.0})
        ledger = Ledger()
        async with PgQueuerProducer(said) as producer, robots(said, 1, ledger) as [robot]:
            await hears(robot)
            began = time.monotonic()
            job_id = await producer.enqueue_job(JobModel(workflow="w"))
            await eventually(lambda: ledger.handled[job_id])
            assert time.monotonic() - began < AT_ONCE


async def test_a_wrong_password_is_a_clear_error_without_it(pooled):
    wrong = pooled.database_url.replace("@", "wrong@")
    with pytest.raises(DatabaseUnavailable) as caught:
        await connect(wrong, "test")
    assert "password" in str(caught.value) or "SASL" in str(caught.value)
    assert "wrong" not in str(caught.value).replace("wrong password", "")


async def test_the_lines_of_the_guide_are_enough(server, config):
    """A connection is not even refused once: the first is taken, and found out."""
    [block] = [block for block in blocks_of(GUIDE) if "[pgbouncer]" in block.code]
    lines = dict(re.findall(r"^(\w+) = (.*)$", block.code.split("[pgbouncer]")[1], re.MULTILINE))
    for ours in ("listen_addr", "listen_port", "auth_file"):
        del lines[ours]
    with PgBouncer(server.url, **lines, log_pooler_errors="1") as as_written:
        async with PgQueuerProducer(
            config.model_copy(update={"database_url": as_written.url(database_of(config))})
        ) as producer:
            await producer.enqueue_job(JobModel(workflow="w"))
            assert (await producer.health_check()).ok
        assert "unsupported startup parameter" not in as_written.said()


async def test_no_connection_asks_for_the_types_of_arrays(database_url, pooled):
    for url in (database_url, pooled.database_url):
        connection = await connect(url, "test")
        asked: list[str] = []
        connection.add_query_logger(lambda logged: asked.append(logged.query))  # noqa: B023 - it ends with the connection
        await connection.fetchrow(f"SELECT {', '.join(f'NULL::{name}[]' for name in sessions._ARRAYS)}")
        await asyncio.sleep(0)  # loggers are called then
        assert len(asked) == 1
        await connection.close()


# Without a direct connection


async def test_many_robots_share_four_sessions(pooled, connection):
    ledger = Ledger()
    async with load(pooled) as ids, robots(pooled, 20, ledger):
        await ledger.grows_by(600)
    async with robots(pooled, 5, ledger):
        await each_completed_once(connection, ids)
    assert set(ledger.handled.values()) == {1}
    assert await sessions_of_the_pooler(connection) <= 4


async def test_nothing_is_left_behind_in_the_sessions_of_others(pooled, connection):
    ledger = Ledger()
    async with load(pooled), robots(pooled, 3, ledger):
        await ledger.grows_by(100)
    held = await connection.fetchval(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND a.datname = current_database()"
    )
    assert held == 0
    raw = [await asyncpg.connect(pooled.database_url, statement_cache_size=0) for _ in range(4)]
    together = asyncio.Barrier(4)
    seen = await asyncio.gather(*(left_behind(one, together) for one in raw))
    assert len({pid for pid, *_ in seen}) > 1, "several sessions were looked at"
    assert {tuple(rest) for _, *rest in seen} == {("on", 0, 0, "0")}
    for one in raw:
        await one.close()


async def left_behind(connection: asyncpg.Connection, together: asyncio.Barrier) -> list[object]:
    """Return what a session shows, while the other sessions are held too."""
    async with connection.transaction():
        row = await connection.fetchrow(
            "SELECT pg_backend_pid(), current_setting('jit'), (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''),"
            " (SELECT count(*) FROM pg_listening_channels()), current_setting('idle_in_transaction_session_timeout')"
        )
        await together.wait()
    return list(row)


async def test_without_a_direct_connection_robots_poll_and_beat(pooled, connection, producer):
    config = pooled.model_copy(update={"visibility_timeout": 1.0, "poll_interval": 0.2})
    may_end = asyncio.Event()
    ledger = Ledger(lambda _: may_end.wait())
    async with robots(config, 1, ledger) as [robot]:
        began = time.monotonic()
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(lambda: ledger.handled[job_id])
        assert time.monotonic() - began < AT_ONCE
        assert not robot._lifeline.hears_of_jobs
        lease = await connection.fetchval("SELECT lease_expires_at FROM pgqueuer.jobs")
        await eventually(lambda: outlived(connection, lease), why="heartbeats keep the lease beyond its first end")
        assert ledger.handled == {job_id: 1}
        await producer.cancel_job(job_id)
        await eventually(
            lambda: has(producer, job_id, JobStatus.CANCELLED), why="a heartbeat brings the request to cancel"
        )


async def outlived(connection: asyncpg.Connection, lease: object) -> bool:
    await connection.execute("SELECT pgqueuer.upkeep(true)")
    return bool(await connection.fetchval("SELECT clock_timestamp() > $1 AND count(*) = 1 FROM pgqueuer.jobs", lease))


async def has(producer: PgQueuerProducer, job_id, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status


async def test_an_enqueue_whose_reply_is_lost_before_the_pooler_has_made_one_job(pooled, connection):
    async with (
        Proxy(pooled.database_url) as proxy,
        PgQueuerProducer(pooled.model_copy(update={"database_url": proxy.url})) as producer,
    ):
        loss = proxy.lose_reply("enqueue_jobs")
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        assert loss.happened.is_set()
    assert [row["id"] for row in await connection.fetch("SELECT id FROM pgqueuer.jobs")] == [job_id]


async def test_nothing_is_lost_when_the_pooler_dies_over_and_over(server, config, connection):
    ledger = Ledger()
    with PgBouncer(server.url) as mortal:
        url = mortal.url(database_of(config))
        pooled = config.model_copy(update={"database_url": url, "poll_interval": 0.1, "outage_patience": 60})
        async with load(pooled, batch=5) as ids, robots(pooled, 3, ledger):
            for _ in range(3):
                await ledger.grows_by(30)
                await asyncio.to_thread(mortal.kill)
                await asyncio.to_thread(mortal.start)
            await ledger.grows_by(30)
        async with robots(pooled, 3, ledger):
            account = await each_completed_once(connection, ids)
    assert account["crashes"] == 0


async def test_migrating_through_the_pooler(pooler, empty_database_url, config):
    database = empty_database_url.rsplit("/", 1)[1]
    pooled = config.model_copy(update={"database_url": pooler.url(database)})
    version = await migrate_queue(pooled)
    assert await migrate_queue(pooled) == version
    async with PgQueuerProducer(pooled) as producer:
        assert (await producer.health_check()).schema_version == version


# With one


async def test_with_a_direct_connection_robots_hear_of_jobs_and_of_cancellations(pooled_and_direct, connection):
    config = pooled_and_direct.model_copy(update={"poll_interval": 60.0})
    cancelled = asyncio.Event()

    async def work(job: JobModel) -> None:
        if job.workflow == "long":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    ledger = Ledger(work)
    async with PgQueuerProducer(config) as producer, robots(config, 1, ledger) as [robot]:
        for workflow in ("short", "short", "long"):
            await hears(robot)
            began = time.monotonic()
            job_id = await producer.enqueue_job(JobModel(workflow=workflow))
            await eventually(lambda: ledger.handled[job_id])  # noqa: B023 - awaited here
            assert time.monotonic() - began < AT_ONCE
        began = time.monotonic()
        await producer.cancel_job(job_id)
        await cancelled.wait()
        assert time.monotonic() - began < AT_ONCE
        assert await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'casare lifeline robot-0'"
            " AND datname = current_database()"
        )


@pytest.mark.parametrize("way", ["refused", "silent"])
async def test_heartbeats_go_through_the_pooler_while_the_direct_way_is_closed(
    pooled_and_direct, connection, producer, way, caplog
):
    """The robot hears again when it is open again, and never loses its lease on the way there and back."""
    config = pooled_and_direct.model_copy(update={"visibility_timeout": 4.0})
    may_end = asyncio.Event()
    ledger = Ledger(lambda _: may_end.wait())
    async with Proxy(config.direct_url) as direct:
        close(direct, way)
        config = config.model_copy(update={"direct_url": direct.url})
        async with robots(config, 1, ledger) as [robot]:
            job_id = await producer.enqueue_job(JobModel(workflow="w"))
            await eventually(lambda: ledger.handled[job_id])
            await beats(robot)
            assert not robot._lifeline.hears_of_jobs
            assert sum("link=direct" in line and "database_lost" in line for line in caplog.messages) == 1
            direct.open()
            await hears(robot)
            close(direct, way)
            await eventually(lambda: not robot._lifeline.hears_of_jobs, why="the loss of the direct way is noticed")
            await beats(robot)
            await connection.execute("SELECT pgqueuer.upkeep(true)")
            may_end.set()
            await eventually(lambda: has(producer, job_id, JobStatus.COMPLETED))
            assert [a.attempt for a in await producer.get_attempts(job_id)] == [1]
    assert ledger.handled == {job_id: 1}


def close(direct: Proxy, way: str) -> None:
    if way == "refused":
        direct.refuses = True
        direct.cut()
    else:
        direct.black_hole()


async def sessions_of_the_pooler(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        " AND pid <> pg_backend_pid()"
    )
    return count
