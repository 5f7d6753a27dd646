"""Whoever waits or subscribes hears of what its login may see, and of nothing else."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel, JobNotFound, JobStatus, NotPermitted
from tests.waiting import eventually


def a_job(tenant: str, queue: str = "invoices") -> JobModel:
    return JobModel(workflow="w", queue_name=queue, tenant_id=tenant)


async def subscribe(session: asyncpg.Connection, queues=(), jobs=(), channel: UUID | None = None) -> list[str]:
    """Listen and subscribe in one session, and return what it will have heard."""
    heard: list[str] = []
    channel = channel or uuid4()
    await session.add_listener(f"casare_e_{channel.hex}", lambda *message: heard.append(message[-1]))
    await session.execute("SELECT pgqueuer.subscribe($1, $2, $3, 'hello')", channel, list(queues), list(jobs))
    await eventually(lambda: heard)
    return heard


async def test_ended_jobs_of_others_are_unknown(producer, logins):
    theirs, ended, mine = await producer.enqueue_batch([a_job("globex"), a_job("globex"), a_job("acme")])
    await producer.cancel_job(ended)
    await producer.cancel_job(mine)
    viewer = await (await logins.make("viewer", tenant="acme")).producer()

    assert (await viewer.wait_for(mine)).status is JobStatus.CANCELLED
    for job_id in (theirs, ended):
        with pytest.raises(JobNotFound):
            await viewer.wait_for(job_id)


async def test_a_robots_login_neither_waits_nor_follows(producer, logins):
    job_id = await producer.enqueue_job(a_job("acme"))
    session = await (await logins.make("robot")).connect()
    for call in ("find_ended(ARRAY[$1::uuid])", "subscribe($1, '{}', '{}', 'hello')", "unsubscribe($1)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(f"SELECT pgqueuer.{call}", job_id)


async def test_one_tenant_hears_nothing_of_another_whatever_it_asks_for(producer, logins):
    theirs = await producer.enqueue_job(a_job("globex"))
    session = await (await logins.make("viewer", tenant="acme")).connect()
    heard = await subscribe(session, queues=["invoices"], jobs=[theirs])

    await producer.cancel_job(theirs)
    await producer.enqueue_job(a_job("globex"))
    mine = await producer.enqueue_job(a_job("acme"))
    await eventually(lambda: len(heard) > 1)
    assert [str(mine) in message for message in heard] == [False, True]
    assert str(theirs) not in "".join(heard)


async def test_a_queue_that_is_not_the_logins_is_refused(producer, logins):
    login = await logins.make("viewer", queues=["letters"])
    viewer = await login.producer()
    with pytest.raises(NotPermitted, match=f'"{login.name}" may not use the queue "invoices"'):
        await anext(viewer.follow(queue_name="invoices"))
    theirs = await producer.enqueue_job(a_job("acme"))
    heard = await subscribe(await login.connect(), jobs=[theirs])
    await producer.cancel_job(theirs)
    await producer.enqueue_job(a_job("acme", queue="letters"))
    with pytest.raises(JobNotFound):
        await anext(viewer.follow(job_id=theirs))
    assert heard == ["hello"]


async def test_a_viewer_follows_what_it_may_see(producer, logins):
    viewer = await (await logins.make("viewer", tenant="acme")).producer()
    events = viewer.follow(queue_name="invoices")
    assert (await anext(events)).event == "following"
    job_id = await producer.enqueue_job(a_job("acme"))
    event = await anext(events)
    assert (event.event, event.job_id) == ("enqueued", job_id)
    await events.aclose()


async def test_nobody_changes_or_ends_the_subscription_of_another_login(producer, logins, connection):
    channel = uuid4()
    mine = await (await logins.make("viewer", tenant="acme")).connect()
    heard = await subscribe(mine, queues=["invoices"], channel=channel)
    other = await (await logins.make("viewer", tenant="globex")).connect()
    await other.execute("SELECT pgqueuer.unsubscribe($1)", channel)
    await other.execute("SELECT pgqueuer.subscribe($1, '{letters}', '{}', 'hello')", channel)

    await producer.enqueue_job(a_job("acme"))
    await eventually(lambda: "enqueued" in heard[-1])
    scopes = await connection.fetch("SELECT tenant_id, wants FROM pgqueuer.subscriptions ORDER BY 1")
    assert [tuple(row) for row in scopes] == [("acme", ["invoices"]), ("globex", ["letters"])]


async def test_a_login_has_no_more_than_a_hundred_subscriptions(logins):
    session = await (await logins.make("viewer")).connect()
    await session.execute(
        "SELECT pgqueuer.subscribe(gen_random_uuid(), '{}', '{}', 'hello') FROM generate_series(1, 100)"
    )
    with pytest.raises(asyncpg.PostgresError, match="has 100 subscriptions already"):
        await session.execute("SELECT pgqueuer.subscribe(gen_random_uuid(), '{}', '{}', 'hello')")
    another = await (await logins.make("viewer")).connect()
    await another.execute("SELECT pgqueuer.subscribe(gen_random_uuid(), '{}', '{}', 'hello')")


async def test_sessions_of_a_login_that_subscribe_at_once_have_no_more_together(logins, connection):
    login = await logins.make("viewer")
    first, second = await login.connect(), await login.connect()
    sixty = "SELECT pgqueuer.subscribe(gen_random_uuid(), '{}', '{}', 'hello') FROM generate_series(1, 60)"
    async with first.transaction():
        await first.execute(sixty)
        late = asyncio.create_task(second.execute(sixty))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $1"
        pid = second.get_server_pid()

        async def waits_or_is_done() -> bool:
            return late.done() or bool(await connection.fetchval(waiting, pid))

        await eventually(waits_or_is_done)
    with pytest.raises(asyncpg.PostgresError, match="has 100 subscriptions already"):
        await late
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.subscriptions") == 60


@pytest.mark.parametrize(
    "arguments",
    [
        "NULL, '{}', '{}', 'hello'",
        "gen_random_uuid(), NULL, '{}', 'hello'",
        "gen_random_uuid(), '{}', NULL, 'hello'",
        "gen_random_uuid(), '{}', '{}', ''",
        "gen_random_uuid(), '{}', '{}', repeat('x', 101)",
        "gen_random_uuid(), array_fill('q'::text, ARRAY[101]), '{}', 'hello'",
        "gen_random_uuid(), '{}', array_fill(gen_random_uuid(), ARRAY[101]), 'hello'",
    ],
)
async def test_nonsense_is_refused(connection, arguments):
    with pytest.raises(asyncpg.PostgresError, match="a subscription has a channel") as raised:
        await connection.execute(f"SELECT pgqueuer.subscribe({arguments})")
    assert raised.value.sqlstate == "CR004"


async def test_a_subscription_that_somebody_keeps_locked_does_not_hold_up_the_upkeep(connection, logins):
    session = await (await logins.make("viewer")).connect()
    channel = uuid4()
    await session.execute("SELECT pgqueuer.subscribe($1, '{}', '{}', 'hello')", channel)
    await connection.execute("UPDATE pgqueuer.subscriptions SET until = now() - interval '1 minute'")
    async with session.transaction():
        await session.execute("SELECT pgqueuer.subscribe($1, '{}', '{}', 'hello')", channel)
        async with asyncio.timeout(5):
            await connection.execute("SELECT pgqueuer.upkeep(true)")
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.subscriptions") == 1

    await connection.execute("UPDATE pgqueuer.subscriptions SET until = now() - interval '1 minute'")
    await connection.execute("SELECT pgqueuer.upkeep(true)")
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.subscriptions") == 0
