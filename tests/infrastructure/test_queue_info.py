"""How a queue is doing: exact while that is cheap, and only what the login may see."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import (
    JobModel,
    JobStatus,
    NotPermitted,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    QueueInfo,
    QueueNotFound,
)
from tests.infrastructure.helpers import claim, jobs
from tests.plans.measure import buffers, hold_off_upkeep
from tests.rights.logins import Logins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from tests.clock import FrozenClock

DEFAULT = "casare_rpa_jobs"


@pytest.fixture
async def logins(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[Logins]:
    async with Logins(connection, database_url) as made:
        yield made


def counts(queue: QueueInfo) -> dict[str, int]:
    names = ("waiting", "due", "deferred", "claimed", "running", "dead_letters")
    return {name: getattr(queue, name) for name in names if getattr(queue, name)}


async def test_a_job_whose_time_has_come_is_due_before_anybody_has_promoted_it(
    clock: FrozenClock, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await hold_off_upkeep(connection)
    run_at = await clock.now() + timedelta(seconds=5)
    await producer.enqueue_batch([*jobs(0, run_at=run_at), *jobs(1, run_at=run_at + timedelta(hours=1))])
    assert counts(await producer.get_queue()) == {"waiting": 2, "deferred": 2}

    await clock.advance(7)

    found = await producer.get_queue()
    assert await connection.fetchval("SELECT bool_and(deferred) FROM pgqueuer.jobs"), "it was promoted: no test"
    assert counts(found) == {"waiting": 2, "due": 1, "deferred": 1}
    assert (found.oldest_due_at, found.oldest_seconds) == (run_at, 2)
    assert found.due == await producer.get_queue_depth()


async def test_a_very_busy_minute_is_estimated(
    clock: FrozenClock, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    """An hour of history of which the last minute alone has hundreds of pages, a quarter of it of another queue."""
    await producer.enqueue_batch([*jobs(0), *jobs(1, queue_name="other")])
    await connection.execute(
        """INSERT INTO pgqueuer.job_history (id, seq, created_at, finished_at, retry_delay, status, max_retries, attempt,
                                             crashes, priority, queue_name, workflow, on_crash, payload)
           SELECT gen_random_uuid(), n, now, now - (60000 - n) * interval '2 ms', 5,
                  (CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'COMPLETED' END)::pgqueuer.job_status, 3, 1, 0, 5,
                  CASE WHEN n % 4 = 0 THEN 'other' ELSE 'casare_rpa_jobs' END, 'w', 'retry', '{"invoice": 7}'
             FROM pgqueuer.frozen_clock, generate_series(1, 60000) n"""
    )
    exact = {
        row["queue_name"]: row
        for row in await connection.fetch(
            """SELECT queue_name, count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
                      count(*) FILTER (WHERE status = 'FAILED') AS failed
                 FROM pgqueuer.job_history, pgqueuer.frozen_clock WHERE finished_at > now - interval '1 minute' GROUP BY 1"""
        )
    }
    for queue in await producer.list_queues():
        assert queue.estimated
        assert queue.completed_per_minute == pytest.approx(exact[queue.queue_name]["completed"], rel=0.1)
        assert queue.failed_per_minute == pytest.approx(exact[queue.queue_name]["failed"], rel=0.1)
    pages = await connection.fetchval(
        "SELECT sum(pg_relation_size(inhrelid)) / 8192 FROM pg_inherits WHERE inhparent = 'pgqueuer.job_history'::regclass"
    )
    assert pages > 1000
    assert await buffers(connection, "SELECT * FROM pgqueuer.list_queues()") < 500


async def test_a_minute_in_which_very_many_jobs_died_is_estimated(
    clock: FrozenClock, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    """120,000 old letters and 60,000 of the last minute, a quarter of them of another queue and a third of a tenant."""
    await producer.enqueue_batch([*jobs(0), *jobs(1, queue_name="other"), *jobs(2, tenant_id="acme")])
    await connection.execute(
        """INSERT INTO pgqueuer.dead_letter_queue (id, seq, created_at, finished_at, retry_delay, max_retries, attempt, crashes,
                                                   priority, enable_dlq, reason, queue_name, workflow, on_crash, tenant_id,
                                                   error, error_shape, payload)
           SELECT gen_random_uuid(), n, now, now - CASE WHEN n <= 120000 THEN interval '1 day' ELSE (n % 50) * interval '1 s' END,
                  5, 3, 1, 0, 5, true, 'exhausted', CASE WHEN n % 4 = 0 THEN 'other' ELSE 'casare_rpa_jobs' END, 'w', 'retry',
                  CASE WHEN n % 3 = 0 THEN 'acme' END, 'the form has no field', 'the form has no field', '{"invoice": 7}'
             FROM pgqueuer.frozen_clock, generate_series(1, 180000) n"""
    )
    found = {queue.queue_name: queue for queue in await producer.list_queues()}
    assert found[DEFAULT].estimated
    assert found[DEFAULT].failed_per_minute == pytest.approx(45_000, rel=0.25)
    assert found["other"].failed_per_minute == pytest.approx(15_000, rel=0.25)
    assert found[DEFAULT].dead_letters == pytest.approx(135_000, rel=0.1)
    assert await buffers(connection, "SELECT * FROM pgqueuer.list_queues()") < 14_000

    async with connection.transaction():
        await connection.execute("INSERT INTO pgqueuer.logins VALUES (session_user, 'acme', NULL)")
        [acme] = await connection.fetch("SELECT failed_per_minute FROM pgqueuer.list_queues()")
        await connection.execute("DELETE FROM pgqueuer.logins WHERE login = session_user")
    assert acme["failed_per_minute"] == pytest.approx(15_000, rel=0.25)


async def test_a_pause_is_shown_with_its_time_and_the_login_of_the_first_one(
    clock: FrozenClock, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch([*jobs(0), *jobs(1, queue_name="other")])
    began, administrator = await clock.now(), await connection.fetchval("SELECT session_user")
    await producer.pause_queue()
    await clock.advance(5)
    await producer.pause_queue()

    found = await producer.get_queue()
    assert (found.is_paused, found.paused_at, found.paused_by) == (True, began, administrator)
    assert counts(found) == {"waiting": 1, "due": 1}
    assert not (await producer.get_queue("other")).is_paused

    await producer.resume_queue()
    await producer.resume_queue()
    found = await producer.get_queue()
    assert (found.is_paused, found.paused_at, found.paused_by) == (False, None, None)


async def test_a_login_sees_its_own_tenant_and_its_own_queues(
    config: QueueConfig, producer: PgQueuerProducer, logins: Logins
) -> None:
    now = datetime.now(UTC)
    for tenant, many in (("acme", 1), ("globex", 2), (None, 4)):
        await producer.enqueue_batch(jobs(*range(5 * many), queue_name="invoices", tenant_id=tenant))
        await producer.enqueue_batch(
            jobs(*range(many), queue_name="invoices", tenant_id=tenant, run_at=now + timedelta(days=1))
        )
    await producer.enqueue_batch(
        [
            *jobs(0, queue_name="theirs", tenant_id="globex"),
            *jobs(1, queue_name="elsewhere", tenant_id="acme"),
        ]
    )
    robots = config.model_copy(update={"queue_name": "invoices", "max_concurrent_jobs": 50})
    async with PgQueuerConsumer(robots, robot_id="r") as robot:
        for nth, job in enumerate(await robot.claim_jobs(35)):
            match nth % 5:
                case 0:
                    await robot.start_job(job)
                case 1:
                    await robot.complete_job(job)
                case 2:
                    await robot.fail_job(job, "no", business=True)
        acme = await (await logins.make("viewer", tenant="acme", queues=["invoices", "theirs", "new"])).producer()
        globex = await (await logins.make("producer", tenant="globex")).producer()

        [mine] = await acme.list_queues()
        theirs, invoices = sorted(await globex.list_queues(), key=lambda queue: queue.waiting)

    assert theirs.queue_name == "theirs"
    for found, many in ((mine, 1), (invoices, 2)):
        assert found.queue_name == "invoices"
        assert counts(found) == {
            "waiting": many, "deferred": many, "claimed": 2 * many, "running": many, "dead_letters": many,
        }  # fmt: skip
        assert (found.completed_per_minute, found.failed_per_minute, found.estimated) == (many, many, False)
    for hidden in ("theirs", "new"):
        with pytest.raises(QueueNotFound, match=f'there is no queue "{hidden}"'):
            await acme.get_queue(hidden)
    with pytest.raises(NotPermitted, match='may not use the queue "elsewhere"'):
        await acme.get_queue("elsewhere")


async def test_a_robot_may_not_look_at_queues(producer: PgQueuerProducer, logins: Logins) -> None:
    await producer.enqueue_batch(jobs(0))
    robot = await (await logins.make("robot")).producer()
    with pytest.raises(NotPermitted):
        await robot.list_queues()


async def test_a_job_is_either_purged_or_claimed(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    """A purge of several steps, with robots that claim all the while."""
    total = 25_000
    for _ in range(5):
        await producer.enqueue_batch(jobs(*range(total // 5)))
    robots = config.model_copy(update={"max_concurrent_jobs": total, "connection_pool_size": 2})
    async with PgQueuerConsumer(robots, robot_id="a") as a, PgQueuerConsumer(robots, robot_id="b") as b:
        purge = asyncio.create_task(producer.purge_queue())
        claimed = await asyncio.gather(*(claim_until(robot, purge) for robot in (a, b)))
        assert await purge + sum(claimed) == total
        assert all(claimed), "no robot claimed anything meanwhile"
        statuses = await connection.fetch("SELECT DISTINCT status::text FROM pgqueuer.jobs")
        assert [row[0] for row in statuses] == [JobStatus.CLAIMED]


async def claim_until(robot: PgQueuerConsumer, done: asyncio.Task[int]) -> int:
    claimed = 0
    while not done.done():
        claimed += len(await robot.claim_jobs(7))
    return claimed


async def test_a_step_of_a_purge_takes_what_was_there_when_the_first_one_began(
    clock: FrozenClock, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    """Also what has become due meanwhile, and so has a later place than what was put in after the first step."""
    later = await clock.now() + timedelta(seconds=5)
    await producer.enqueue_batch([*jobs(0, 1, 2), *jobs(3, 4, run_at=later)])
    step = await connection.fetchrow("SELECT * FROM pgqueuer.purge_waiting($1, 2)", DEFAULT)
    assert step["purged"] == 2
    await clock.advance(6)
    await producer.enqueue_batch(jobs(5, 6))
    await connection.fetch("SELECT pgqueuer.upkeep(true)")

    purged = [
        await connection.fetchval("SELECT purged FROM pgqueuer.purge_waiting($1, 2, $2)", DEFAULT, step["until"])
        for _ in range(3)
    ]

    assert purged == [2, 1, 0]
    left = await connection.fetch("SELECT (payload ->> 'n')::int AS n FROM pgqueuer.jobs ORDER BY seq")
    assert [row["n"] for row in left] == [5, 6]


async def test_a_purge_leaves_no_trace(producer: PgQueuerProducer, connection: asyncpg.Connection) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", reference="R-1"))
    await producer.comment_job(job_id, "is this needed?")
    async with PgQueuerConsumer(producer.config, robot_id="r") as robot:
        await robot.fail_job(await claim(robot), "no")

    assert await producer.purge_queue() == 1

    for table in ("jobs", "job_references", "job_attempts", "job_actions"):
        assert await connection.fetchval(f"SELECT count(*) FROM pgqueuer.{table}") == 0, table
