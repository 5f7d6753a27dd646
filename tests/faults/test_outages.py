"""While the database is away nobody can send a heartbeat: that is nobody's crash."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import uuid4

import asyncpg

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerProducer
from tests.faults.fleet import Ledger, robots
from tests.faults.test_leases import has_status
from tests.waiting import eventually

TIMEOUT = 2.0
CLAIM = "SELECT * FROM pgqueuer.claim_jobs($1, 1, 'r', $2, 1, '{}', 30, true)"
LEASES = "SELECT lease_expires_at - clock_timestamp() FROM pgqueuer.jobs WHERE id = $1"


async def test_leases_do_not_run_out_while_the_server_is_down(own_server, own_config):
    """The server stays away for longer than the visibility timeout, and a pass of the upkeep comes before any heartbeat."""
    config = own_config.model_copy(update={"visibility_timeout": TIMEOUT})
    began, may_end = asyncio.Event(), asyncio.Event()

    async def work(_: JobModel) -> None:
        began.set()
        await may_end.wait()

    ledger = Ledger(work)
    async with PgQueuerProducer(config) as producer, robots(config, 2, ledger):
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await began.wait()
        await asyncio.to_thread(own_server.kill)
        await asyncio.sleep(1.5 * TIMEOUT)  # the outage
        await asyncio.to_thread(own_server.start)
        connection = await asyncpg.connect(config.database_url)
        await connection.execute("SELECT pgqueuer.upkeep(true)")
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_attempts") == 0
        await connection.close()
        may_end.set()
        await eventually(partial(has_status, producer, job_id, JobStatus.COMPLETED))
        job = await producer.get_job(job_id)
        attempts = await producer.get_attempts(job_id)

    assert ledger.handled == {job_id: 1}
    assert (job.attempt, job.crashes) == (1, 0)
    assert [a.outcome for a in attempts] == ["completed"]


async def test_a_gap_in_the_upkeep_is_added_to_the_leases_of_that_time(connection, producer):
    job_id = await producer.enqueue_job(JobModel(workflow="w", queue_name="q"))
    await connection.fetch(CLAIM, "q", uuid4())
    await connection.execute("UPDATE pgqueuer.jobs SET lease_expires_at = clock_timestamp() - interval '50 seconds'")
    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '1 minute'")

    await connection.execute("SELECT pgqueuer.upkeep(true)")

    assert 9 < (await connection.fetchval(LEASES, job_id)).total_seconds() < 11
    await connection.execute("SELECT pgqueuer.upkeep(true)")
    assert (await connection.fetchval(LEASES, job_id)).total_seconds() < 11


async def test_a_gap_in_the_upkeep_adds_nothing_to_a_lease_given_out_after_it(connection, database_url, producer):
    """The first robots after a night come at once: one claims while another's upkeep is about to find the night's gap."""
    job_id = await producer.enqueue_job(JobModel(workflow="w", queue_name="q"))
    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '12 hours'")
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("SELECT FROM pgqueuer.upkeep_state FOR UPDATE")
        assert len(await connection.fetch(CLAIM, "q", uuid4())) == 1
    await other.close()

    await connection.execute("SELECT pgqueuer.upkeep(true)")

    assert (await connection.fetchval(LEASES, job_id)).total_seconds() <= 30
