"""Two tenants share a database: neither reaches what is the other's."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    DuplicateReference,
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
    LeaseLost,
    NotPermitted,
)

QUEUES = ["invoices", "letters"]


def a_job(tenant: str | None = None, queue: str = "invoices", **fields) -> JobModel:
    return JobModel(workflow="w", queue_name=queue, tenant_id=tenant, **fields)


@pytest.fixture
async def acme(logins):
    return await (await logins.make("producer", tenant="acme", queues=QUEUES)).producer()


@pytest.fixture
async def globex_job(producer):
    """A job of the other tenant's that waits at the head."""
    return await producer.enqueue_job(a_job("globex", priority=20, reference="R-1"))


async def test_a_robot_claims_its_own_tenants_jobs_and_no_others(producer, logins, globex_job):
    await producer.enqueue_job(a_job(None, priority=20))
    mine = await producer.enqueue_job(a_job("acme"))
    robot = await (await logins.make("robot", tenant="acme")).consumer(queue_name="invoices")

    assert [job.id for job in await robot.claim_jobs(10)] == [mine]
    assert await producer.get_job_status(globex_job) is JobStatus.PENDING


async def test_a_robot_without_a_tenant_claims_everybodys(producer, logins, globex_job):
    robot = await (await logins.make("robot")).consumer(queue_name="invoices")

    assert [(job.id, job.tenant_id) for job in await robot.claim_jobs(10)] == [(globex_job, "globex")]


async def test_a_robot_claims_from_its_queues_only(producer, logins):
    job_id = await producer.enqueue_job(a_job("acme", queue="letters"))
    login = await logins.make("robot", tenant="acme", queues=["invoices"])
    robot = await login.consumer(queue_name="letters")

    with pytest.raises(NotPermitted, match=f'"{login.name}" may not use the queue "letters"'):
        await robot.claim_job()
    with pytest.raises(NotPermitted):
        await robot.run(lambda _: pytest.fail("a job of another queue was handed out"))
    assert await producer.get_job_status(job_id) is JobStatus.PENDING


async def test_a_robot_is_not_counted_in_a_queue_that_is_not_its_own(connection, logins):
    """How many robots a queue has decides how many of them a notification wakes."""
    session = await (await logins.make("robot", tenant="acme", queues=["invoices"])).connect()

    with pytest.raises(asyncpg.PostgresError, match='may not use the queue "letters"'):
        await session.fetch("SELECT * FROM pgqueuer.heartbeat('r', $1, 'letters', '{}', '{}', 0, '{}')", uuid4())
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.robots") == 0


async def test_a_robot_cannot_settle_with_a_guessed_token(producer, logins, globex_job):
    theirs = await (await logins.make("robot", tenant="globex")).consumer(queue_name="invoices")
    held = await theirs.claim_job()
    session = await (await logins.make("robot", tenant="acme")).connect()

    for outcome in ("completed", "failed", "business", "released"):
        for token in (UUID(int=0), globex_job, uuid4(), None):
            settle = "SELECT * FROM pgqueuer.settle_jobs($1, $2, $3)"
            rows = await session.fetch(settle, [globex_job], [token], [outcome])
            assert [row["status"] for row in rows] == [None]

    assert await producer.get_job_status(globex_job) is JobStatus.CLAIMED
    await theirs.complete_job(held)


async def test_a_robot_neither_starts_nor_extends_nor_loses_what_it_does_not_hold(connection, logins, globex_job):
    theirs = await (await logins.make("robot", tenant="globex")).consumer(queue_name="invoices")
    held = await theirs.claim_job()
    session = await (await logins.make("robot", tenant="acme")).connect()
    before = await connection.fetchrow("SELECT * FROM pgqueuer.jobs")
    guess = uuid4()

    assert await session.fetch("SELECT * FROM pgqueuer.start_jobs($1, $2)", [globex_job], [guess]) == []
    beat = await session.fetchrow(
        "SELECT * FROM pgqueuer.heartbeat('r', $1, 'invoices', $2, $3, 1000, '{}')", guess, [globex_job], [guess]
    )

    assert beat["lost"] == [globex_job]
    assert beat["cancelled"] == []
    assert await connection.fetchrow("SELECT * FROM pgqueuer.jobs") == before
    await theirs.start_job(held)


async def test_a_job_of_mine_is_not_settled_by_my_token_for_another(logins, producer, globex_job):
    await producer.enqueue_job(a_job("acme"))
    robot = await (await logins.make("robot", tenant="acme")).consumer(queue_name="invoices")
    mine = await robot.claim_job()
    forged = mine.model_copy(update={"id": globex_job})

    with pytest.raises(LeaseLost):
        await robot.complete_job(forged)

    assert await producer.get_job_status(globex_job) is JobStatus.PENDING
    assert await producer.get_job_status(mine.id) is JobStatus.CLAIMED


async def test_a_producer_enqueues_for_its_own_tenant_only(acme, connection):
    job_id = await acme.enqueue_job(a_job(None))

    for refused in (a_job("globex"), a_job("ACME"), a_job(" acme")):
        with pytest.raises(NotPermitted, match="may not enqueue for the tenant"):
            await acme.enqueue_job(refused)
        with pytest.raises(NotPermitted, match="may not enqueue for the tenant"):
            await acme.enqueue_batch([a_job("acme"), refused], mode="each")
    assert (await acme.get_job(job_id)).tenant_id == "acme"
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 1


async def test_a_producer_enqueues_into_its_own_queues_only(acme, connection):
    await acme.enqueue_job(a_job(None, queue="letters"))

    for refused in ("payroll", "INVOICES", "invoices "):
        with pytest.raises(NotPermitted, match=f'may not use the queue "{refused}"'):
            await acme.enqueue_job(a_job("acme", queue=refused))
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 1


async def test_the_short_call_in_sql_is_bound_as_well(logins, connection):
    session = await (await logins.make("producer", tenant="acme", queues=QUEUES)).connect()

    for options in ('{"tenant_id": "globex"}', '{"tenant_id": ["acme"]}'):
        with pytest.raises(asyncpg.PostgresError, match="may not enqueue for the tenant"):
            await session.fetch("SELECT pgqueuer.enqueue_job('w', p_queue => 'letters', p_options => $1)", options)
    with pytest.raises(asyncpg.PostgresError, match="p_options must not name the workflow, the queue or the priority"):
        await session.fetch(
            """SELECT pgqueuer.enqueue_job('w', p_queue => 'letters', p_options => '{"queue_name": "payroll"}')"""
        )
    await session.fetch("SELECT pgqueuer.enqueue_job('w', p_queue => 'letters')")

    assert [tuple(row) for row in await connection.fetch("SELECT tenant_id, queue_name FROM pgqueuer.jobs")] == [
        ("acme", "letters")
    ]


async def test_a_producer_reaches_nothing_of_the_other_tenants(acme, producer, globex_job):
    with pytest.raises(JobNotFound):
        await acme.get_job(globex_job)
    with pytest.raises(JobNotFound):
        await acme.get_attempts(globex_job)
    with pytest.raises(JobNotFound):
        await acme.cancel_job(globex_job)
    assert await acme.list_jobs() == []
    assert await acme.list_jobs(JobFilter(tenant_id="globex")) == []
    assert await acme.get_queue_depth("invoices") == 0
    with pytest.raises(NotPermitted):
        await acme.get_queue_depth("payroll")
    assert await producer.get_job_status(globex_job) is JobStatus.PENDING


async def test_a_producer_neither_sees_nor_redrives_the_others_dead_letters(acme, producer, logins, globex_job):
    theirs = await (await logins.make("robot", tenant="globex")).consumer(queue_name="invoices")
    await theirs.fail_job(await theirs.claim_job(), "bad data", business=True)

    assert await acme.list_dead_letters() == []
    assert await acme.redrive_jobs([globex_job]) == []
    assert await producer.get_job_status(globex_job) is JobStatus.FAILED


async def test_references_of_two_tenants_do_not_meet(acme, globex_job):
    mine = await acme.enqueue_job(a_job(None, reference="R-1"))

    with pytest.raises(DuplicateReference) as taken:
        await acme.enqueue_job(a_job(None, reference="R-1"))
    assert taken.value.job_id == mine


async def test_a_producer_is_no_administrator(acme, globex_job, producer):
    for administration in (acme.purge_queue, acme.pause_queue, acme.resume_queue):
        with pytest.raises(NotPermitted):
            await administration("invoices")
    assert await producer.get_queue_depth("invoices") == 1


async def test_a_viewer_sees_its_own_tenants_jobs_and_changes_nothing(producer, logins, globex_job):
    mine = await producer.enqueue_job(a_job("acme"))
    elsewhere = await producer.enqueue_job(a_job("acme", queue="payroll"))
    viewer = await (await logins.make("viewer", tenant="acme", queues=QUEUES)).producer()

    assert [job.id for job in await viewer.list_jobs()] == [mine]
    assert await viewer.get_job_status(mine) is JobStatus.PENDING
    assert await viewer.get_queue_depth("invoices") == 1
    for hidden in (globex_job, elsewhere):
        with pytest.raises(JobNotFound):
            await viewer.get_job(hidden)
    for change in (viewer.cancel_job(mine), viewer.redrive_jobs([mine]), viewer.enqueue_job(a_job("acme"))):
        with pytest.raises(NotPermitted):
            await change
