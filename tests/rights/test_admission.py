"""Who is let in at all, and that no error gives away a password."""

from __future__ import annotations

import traceback
from functools import partial
from urllib.parse import quote

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    CasareError,
    DatabaseUnavailable,
    InvalidJob,
    JobModel,
    NotPermitted,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)

PASSWORD = "s3cr3t-Pa55"


async def test_an_unregistered_login_is_refused_and_told_what_to_ask_for(logins):
    login = await logins.make("robot", registered=False)
    consumer = await login.consumer()

    with pytest.raises(NotPermitted, match=f'"{login.name}" is not registered') as refusal:
        await consumer.claim_job()
    assert f"SELECT pgqueuer.register_login('{login.name}')" in str(refusal.value)
    with pytest.raises(NotPermitted, match="not registered"):
        await consumer.run(lambda _: pytest.fail("a job was handed out"))


async def test_an_unregistered_producer_or_viewer_is_refused_everywhere(logins, producer):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    stranger = await (await logins.make("producer", registered=False)).producer()

    for call in (
        stranger.enqueue_job(JobModel(workflow="w")),
        stranger.get_job(job_id),
        stranger.get_attempts(job_id),
        stranger.list_jobs(),
        stranger.list_dead_letters(),
        stranger.get_queue_depth(),
        stranger.cancel_job(job_id),
        stranger.redrive_jobs([job_id]),
    ):
        with pytest.raises(NotPermitted, match="not registered"):
            await call


async def test_a_login_without_a_role_is_refused(logins):
    login = await logins.make(None)

    with pytest.raises(NotPermitted, match="permission denied"):
        await login.producer()
    with pytest.raises(NotPermitted, match="permission denied"):
        await login.consumer()
    with pytest.raises(NotPermitted, match=r"CREATE ROLE|CREATE SCHEMA|GRANT"):
        await migrate(login.config)


async def test_a_registration_can_be_changed_and_ended(connection, logins, producer):
    await producer.enqueue_job(JobModel(workflow="w", tenant_id="acme"))
    login = await logins.make("viewer", tenant="globex")
    viewer = await login.producer()
    assert await viewer.list_jobs() == []

    await connection.execute("SELECT pgqueuer.register_login($1, 'acme')", login.name)
    assert len(await viewer.list_jobs()) == 1

    await connection.execute("DELETE FROM pgqueuer.logins WHERE login = $1", login.name)
    with pytest.raises(NotPermitted):
        await viewer.list_jobs()


async def test_registering_refuses_what_would_open_more_than_it_says(connection, logins):
    login = await logins.make("viewer", registered=False)

    with pytest.raises(asyncpg.PostgresError, match="there is no login"):
        await connection.execute("SELECT pgqueuer.register_login('nobody_of_this_name')")
    with pytest.raises(asyncpg.PostgresError, match="without NULL"):
        await connection.execute("SELECT pgqueuer.register_login($1, NULL, '{invoices,NULL}')", login.name)


async def test_no_queues_at_all_is_not_all_queues(logins):
    robot = await (await logins.make("robot", queues=[])).consumer()

    with pytest.raises(NotPermitted, match="may not use the queue"):
        await robot.claim_job()


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


async def test_passwords_appear_in_no_error(logins):
    login = await logins.make("robot", password=PASSWORD)
    url = str(login.config.database_url)
    for wrong in (
        url.replace(PASSWORD, PASSWORD[::-1]),
        url.replace("/test_", "/absent_"),
        url.replace("@127.0.0.1:", "@127.0.0.1:9"),
        url.replace("postgresql:", "http:"),
        url.replace(PASSWORD, f"#/{PASSWORD}"),
    ):
        assert wrong != url
        config = QueueConfig(database_url=wrong, outage_patience=0)
        for attempt in (
            PgQueuerProducer(config).__aenter__,
            PgQueuerConsumer(config, "r").__aenter__,
            partial(migrate, config),
        ):
            with pytest.raises(CasareError) as failure:
                await attempt()
            said = everything_said(failure.value)
            assert PASSWORD not in said
            assert PASSWORD[::-1] not in said
        health = await PgQueuerProducer(config).health_check()
        assert not health.ok
        assert PASSWORD not in repr(health)
        assert PASSWORD[::-1] not in repr(health)


async def test_passwords_appear_in_no_error_of_an_open_queue(logins, connection):
    """A login that is shut out while it works."""
    login = await logins.make("producer", password=PASSWORD)
    producer, consumer = await login.producer(), await login.consumer()
    await connection.execute(f'ALTER ROLE "{login.name}" NOLOGIN')

    with pytest.raises(DatabaseUnavailable, match=r"refused|not permitted") as failure:
        await producer.enqueue_job(JobModel(workflow="w"))
    assert PASSWORD not in everything_said(failure.value)
    for shown in (repr(login.config), str(login.config), repr(producer), repr(consumer), repr(vars(producer))):
        assert PASSWORD not in shown
    with pytest.raises(InvalidJob) as refusal:
        await producer.enqueue_job(JobModel(workflow="w", payload={"x": "y" * 2**21}))
    assert PASSWORD not in everything_said(refusal.value)


async def test_passwords_of_any_characters_work_when_encoded(logins):
    for password in ("a:b@c/d?e#f%g", "p%40w", "späß 'n\" $1", "x;y=z&w"):
        login = await logins.make("producer", password=password.replace("'", "''"))
        address = str(login.config.database_url).rsplit("@", 1)[1]
        login.config.database_url = f"postgresql://{login.name}:{quote(password, safe='')}@{address}"

        assert (await (await login.producer()).health_check()).ok
