"""No orchestrator is needed: whoever is there, one robot or one producer, keeps the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerProducer
from tests.faults.fleet import Ledger, robots
from tests.faults.test_leases import has_status
from tests.waiting import eventually


@pytest.fixture
async def left_behind(connection, config):
    """A job whose robot has died, and one that is due in a second; whoever enqueued them is gone."""
    async with PgQueuerProducer(config) as producer:
        orphan = await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=1.0))
        claim = "SELECT * FROM pgqueuer.claim_jobs($1, 1, 'dead robot', $2, 1, '{}', 30, true)"
        await connection.fetch(claim, config.queue_name, uuid4())
        soon = datetime.now(UTC) + timedelta(seconds=1)
        deferred = await producer.enqueue_job(JobModel(workflow="w", run_at=soon))
    return orphan, deferred


async def test_a_lone_robot(config, connection, left_behind):
    ledger = Ledger()
    async with robots(config, 1, ledger):
        await eventually(lambda: ledger.handled == dict.fromkeys(left_behind, 1))


async def test_a_lone_producer(config, left_behind):
    orphan, _ = left_behind
    async with PgQueuerProducer(config) as producer:
        await eventually(partial(has_status, producer, orphan, JobStatus.PENDING))
        assert [a.outcome for a in await producer.get_attempts(orphan)] == ["expired"]

        async def both_wait():
            return await producer.get_queue_depth() == 2

        await eventually(both_wait)


async def test_a_lone_producer_that_never_enqueues_makes_the_partitions(config, connection):
    partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'pgqueuer.job_history'::regclass"
    weeks = await connection.fetchval(partitions)
    latest = await connection.fetchval(
        "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'pgqueuer.job_history'::regclass"
    )
    await connection.execute(f"DROP TABLE {latest}; UPDATE pgqueuer.upkeep_state SET partitioned_at = NULL")

    async with PgQueuerProducer(config):

        async def made():
            return await connection.fetchval(partitions) == weeks

        await eventually(made)
