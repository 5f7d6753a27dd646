"""A dump or a report that reads for hours holds up no settlement; an old week is dropped once it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus
from tests.faults.fleet import Ledger, load, robots
from tests.waiting import eventually

WEEK = "pgqueuer.job_history_2020w02"
IN_IT = "2020-01-08"
OLD_JOBS = 40
WAITS = """
    SELECT query FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'casare%'
       AND wait_event_type = 'Lock' AND wait_event = 'relation' AND query NOT LIKE '%.upkeep()'
"""
READS = """
    SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE a.datname = current_database() AND l.relation = 'pgqueuer.jobs'::regclass AND a.pid <> pg_backend_pid()
       AND a.application_name NOT LIKE 'casare%' AND l.mode = 'AccessShareLock' AND l.granted
"""


@contextlib.asynccontextmanager
async def pg_dump(server, url):
    """The real program, held up in the midst of its work: nobody reads what it writes."""
    dump = await asyncio.create_subprocess_exec(
        server.bin_dir / "pg_dump", "--dbname", url, stdout=asyncio.subprocess.PIPE, limit=1024
    )
    try:
        yield
        assert dump.returncode is None, "the dump ended before its time"
        await dump.communicate()
        assert dump.returncode == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            dump.kill()


@contextlib.asynccontextmanager
async def a_long_report(_server, url):
    """A transaction that has read every table and goes on."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetch("SELECT count(*) FROM pgqueuer.all_jobs")
            yield
    finally:
        await connection.close()


readers = pytest.mark.parametrize("reader", [pg_dump, a_long_report])


@pytest.fixture
async def old_week(connection, producer, config):
    """A week of history past its retention, with references and attempts, and enough to keep a dump busy."""

    async def fail_once(job):
        if job.attempt == 1:
            raise RuntimeError("once")

    async def all_ended():
        return await connection.fetchval("SELECT count(*) FROM pgqueuer.job_history") == OLD_JOBS

    payload = {"text": "".join(map(str, range(5000)))}
    jobs = [JobModel(workflow="w", reference=f"old-{n}", payload=payload, retry_delay=0) for n in range(OLD_JOBS)]
    async with robots(config, 1, Ledger(fail_once)):
        await producer.enqueue_batch(jobs)
        await eventually(all_ended)
    await connection.execute("SET ROLE pgqueuer_owner; SET search_path = pgqueuer")
    await connection.execute(f"SELECT ensure_partitions('{IN_IT}'); RESET ROLE; RESET search_path")
    await connection.execute(f"UPDATE pgqueuer.job_history SET finished_at = '{IN_IT}'")
    assert await connection.fetchval(f"SELECT count(*) FROM {WEEK}") == OLD_JOBS


async def is_dropped(connection):
    """Whether the old week has gone; the upkeep takes one week after the other, some of it at a time."""
    await connection.execute("SELECT pgqueuer.upkeep(true)")
    return await connection.fetchval(f"SELECT to_regclass('{WEEK}') IS NULL")


async def settle_one(connection, config, lock_timeout):
    """Claim and settle a job; fails when a lock is waited for longer than that."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'")
        await connection.execute(
            "SELECT pgqueuer.enqueue_job('w', p_queue => $1, p_notify => false)", config.queue_name
        )
        claim = "SELECT * FROM pgqueuer.claim_jobs($1, 1, 'r', $2, 1, '{}', 30, true)"
        [held] = await connection.fetch(claim, config.queue_name, uuid4())
        settle = "SELECT * FROM pgqueuer.settle_jobs($1, $2, '{completed}')"
        await connection.fetch(settle, [held["id"]], [held["lease_token"]])


@readers
async def test_robots_wait_for_no_lock_beside_it(server, config, connection, old_week, reader):
    """Only the upkeep tries to have the old week, for a tenth of a second at a time."""
    ledger = Ledger()
    async with reader(server, config.database_url):
        await eventually(partial(connection.fetchval, READS), why="the reader reads")
        async with robots(config, 2, ledger), load(config):
            waits = []
            while len(ledger.handled) < 500:
                waits += await connection.fetch(WAITS)
        assert [wait[0] for wait in waits] == []


@readers
async def test_an_old_week_is_dropped_when_the_reader_has_ended(
    server, config, database_url, connection, producer, old_week, reader
):
    """While the drop is tried, over and over, no settlement waits for a lock, not for a moment."""
    async with reader(server, database_url):
        await eventually(partial(connection.fetchval, READS), why="the reader reads")
        settling = await asyncpg.connect(database_url)
        dropping = asyncio.create_task(try_to_drop(connection, times=10))
        while not dropping.done():
            await settle_one(settling, config, lock_timeout="1ms")
        await dropping
        await settling.close()
        assert await connection.fetchval(f"SELECT count(*) FROM {WEEK}") == OLD_JOBS

    await eventually(partial(is_dropped, connection))
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_references") == 0
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_attempts") == 0
    again = await producer.enqueue_job(JobModel(workflow="w", reference="old-1"))
    assert await producer.get_job_status(again) is JobStatus.PENDING


async def try_to_drop(connection, times):
    for _ in range(times):
        assert not await is_dropped(connection)


async def test_a_reader_of_other_weeks_lets_a_settlement_wait_for_a_moment_only(
    connection, database_url, config, old_week
):
    """A drop needs the whole history for a moment, which such a reader has as well: it gives up, and not every second anew."""
    reading, dropping = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with reading.transaction():
        await reading.execute("LOCK TABLE ONLY pgqueuer.job_history IN ACCESS SHARE MODE")
        drop = asyncio.create_task(try_to_drop(dropping, times=1))
        while not drop.done():
            await settle_one(connection, config, lock_timeout="1s")
        await drop
        assert await connection.fetchval("SELECT dropping FROM pgqueuer.upkeep_state") is None
    await eventually(partial(is_dropped, dropping))
    await reading.close()
    await dropping.close()


async def test_a_lock_on_history_that_lasts_stops_no_upkeep(connection, database_url):
    """As VACUUM or CREATE INDEX CONCURRENTLY hold it: new weeks cannot be attached meanwhile, all else goes on."""
    weeks = "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'pgqueuer.job_history'::regclass"
    latest = await connection.fetchval(weeks)
    await connection.execute(f"DROP TABLE {latest}")
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE ONLY pgqueuer.job_history IN SHARE UPDATE EXCLUSIVE MODE")
        await asyncio.wait_for(connection.execute("SELECT pgqueuer.upkeep(true)"), 5)
        assert await connection.fetchval(weeks) < latest
    await holder.close()

    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = passed_at - interval '2 seconds'")
    await connection.execute("SELECT pgqueuer.upkeep()")
    assert await connection.fetchval(weeks) == latest
