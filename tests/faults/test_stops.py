"""Robots are stopped in the midst of their work: what they hold goes back unharmed, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from casare_rpa.infrastructure.queue import DatabaseReadOnly, JobModel, JobStatus, PgQueuerConsumer
from tests.faults.fleet import Ledger, each_completed_once, load, robots
from tests.waiting import eventually


async def work_a_little(_: JobModel) -> None:
    await asyncio.sleep(random.choice([0, 0, 0.01, 0.2]))


@pytest.mark.parametrize("grace", [0.0, 5.0])
async def test_stopping_over_and_over_under_load(config, connection, grace):
    config = config.model_copy(
        update={"shutdown_grace": grace, "poll_interval": 0.05, "max_concurrent_jobs": 10, "visibility_timeout": 60.0}
    )
    ledger = Ledger(work_a_little)
    async with load(config, batch=10, pause=0.05) as ids:
        for _ in range(4):
            async with robots(config, 2, ledger):
                await ledger.grows_by(40)
    async with robots(config.model_copy(update={"shutdown_grace": 5.0}), 3, ledger):
        account = await each_completed_once(connection, ids)

    assert account["attempts"] == 1, "a release gives the attempt back"
    assert account["crashes"] == 0
    if grace == 5.0:
        assert set(ledger.handled.values()) == {1}, "there was time enough for every handler"


async def test_stopping_while_a_claim_is_under_way(through_proxy, proxy, config, connection, producer):
    """The reply to the claim is late: it has given out jobs that nobody knows of yet."""
    config = through_proxy.model_copy(update={"visibility_timeout": 4.0})
    ledger = Ledger()
    consumer = PgQueuerConsumer(config, "robot-1")
    await consumer.__aenter__()
    await eventually(lambda: consumer._lifeline.beats > 0)
    running = asyncio.create_task(consumer.run(ledger.handler))
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
    loss = proxy.lose_reply("settle_and_claim", cut=False)
    if not ledger.handled:
        await producer.enqueue_job(JobModel(workflow="w"))
    await loss.happened.wait()
    await consumer.stop()
    await running

    async with robots(config, 1, ledger):
        await eventually(lambda: set(ids) <= set(ledger.handled))
        await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM pgqueuer.jobs"))
    assert await connection.fetchval("SELECT max(crashes) FROM pgqueuer.job_history") == 0


async def test_what_a_lost_reply_brought_goes_back_also_when_the_link_is_down_at_the_stop(
    through_proxy, proxy, producer
):
    consumer = PgQueuerConsumer(through_proxy, "robot-1")
    await consumer.__aenter__()
    await eventually(lambda: consumer._lifeline.beats > 0)
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    loss = proxy.lose_reply("settle_and_claim")
    claiming = asyncio.create_task(consumer.claim_job())
    await loss.happened.wait()
    proxy.refuses = True
    proxy.cut()
    await eventually(lambda: consumer._lifeline._lines._slowness == 8, why="it pauses for a while between its tries")
    claiming.cancel()
    assert await producer.get_job_status(job_id) is JobStatus.CLAIMED

    proxy.refuses = False
    await consumer.stop()

    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.crashes) == (JobStatus.PENDING, 0, 0)


async def test_stopping_while_the_database_is_away_ends(through_proxy, proxy, producer):
    """What cannot be said any more is left to the lease; run() returns with stop()."""
    config = through_proxy.model_copy(update={"shutdown_grace": 0.2, "outage_patience": 600.0})
    began = asyncio.Event()

    async def forever(_: JobModel) -> None:
        began.set()
        await asyncio.Event().wait()

    consumer = PgQueuerConsumer(config, "robot-1")
    await consumer.__aenter__()
    await producer.enqueue_job(JobModel(workflow="w"))
    running = asyncio.create_task(consumer.run(forever))
    await began.wait()
    proxy.refuses = True
    proxy.cut()

    await consumer.stop()
    await asyncio.wait_for(running, 1)


async def test_what_was_completed_while_the_database_was_away_is_no_failure(through_proxy, proxy, connection, producer):
    """A robot that stops cannot tell any more that its job is done. That makes it a job to be done again, not a dead letter."""
    config = through_proxy.model_copy(update={"outage_patience": 0.3, "shutdown_grace": 10.0})
    began, may_end = asyncio.Event(), asyncio.Event()

    async def work(_: JobModel) -> None:
        began.set()
        await may_end.wait()

    consumer = PgQueuerConsumer(config, "robot-1")
    await consumer.__aenter__()
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    running = asyncio.create_task(consumer.run(work))
    await began.wait()
    proxy.refuses = True
    proxy.cut()
    settling = consumer._work
    assert settling is not None
    settled = settling._settled

    def comes_back_just_then(settlement, fate):
        proxy.refuses = False
        settled(settlement, fate)

    settling._settled = comes_back_just_then  # type: ignore[method-assign]  # the worst moment for it to come back
    stopping = asyncio.create_task(consumer.stop())
    await eventually(lambda: settling._stopping)
    may_end.set()
    await stopping
    await running

    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.dead_letter_queue") == 0
    assert (
        not (await producer.get_job(job_id)).status.is_final
        or (await producer.get_attempts(job_id))[-1].outcome == "completed"
    )


async def test_a_database_that_takes_no_writes_for_a_while_fails_no_job(config, database_url, connection, producer):
    """As in the moment of a failover: what was done meanwhile cannot be settled, and is done again."""
    config = config.model_copy(update={"visibility_timeout": 2.0, "poll_interval": 0.1})
    name = database_url.rsplit("/", 1)[1]
    disconnect = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name LIKE 'casare robot%' AND datname = current_database()"
    )
    read_only = asyncio.Event()

    async def work(job: JobModel) -> None:
        if not read_only.is_set():
            await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            await connection.fetch(disconnect)
            read_only.set()

    ledger = Ledger(work)
    consumer = PgQueuerConsumer(config, "robot-1")
    await consumer.__aenter__()
    running = asyncio.create_task(consumer.run(ledger.handler))
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await read_only.wait()
    await asyncio.wait([running], timeout=1)
    await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await consumer.stop()
    with contextlib.suppress(DatabaseReadOnly):
        await running
    async with robots(config, 1, ledger):
        await eventually(lambda: connection.fetchval("SELECT count(*) = 1 FROM pgqueuer.job_history"))

    assert await producer.get_job_status(job_id) is JobStatus.COMPLETED
