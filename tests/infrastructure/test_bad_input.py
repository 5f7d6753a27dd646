"""What is wrong is refused with a clear error, and nothing is half done."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from pydantic import ValidationError

from casare_rpa.infrastructure.queue import (
    CasareError,
    ConfigError,
    DatabaseReadOnly,
    DatabaseUnavailable,
    InvalidJob,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    ServerTooOld,
    migrate,
)
from tests.infrastructure.helpers import claim, contents, id_of, jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

LIMIT = 1_048_576


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config.model_copy(update={"max_concurrent_jobs": 100}), robot_id="robot-1") as opened:
        yield opened


@pytest.fixture
async def unchanged(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """The tables hold at the end of the test what they held at its beginning."""
    before = await contents(connection)
    yield
    assert await contents(connection) == before


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


def payload_of(size: int) -> dict[str, str]:
    """Return a payload whose JSON text has so many bytes."""
    return {"x": "ä" * ((size - 9) // 2) + "a" * ((size - 9) % 2)}


def spoiled(**fields: Any) -> JobModel:
    """Return a job into whose lists and objects nonsense was written after it was made."""
    job = JobModel(workflow="w")
    for field, value in fields.items():
        kept = getattr(job, field)
        if isinstance(kept, dict):
            kept.update(value)
        else:
            kept.extend(value)
    return job


# Jobs


@pytest.mark.parametrize("priority", [-1, 21, 5.5, "high", True])
@pytest.mark.usefixtures("unchanged")
async def test_a_wrong_priority_is_refused_by_the_model_and_by_the_database(
    connection: asyncpg.Connection, priority: Any
) -> None:
    with pytest.raises(ValidationError, match="priority"):
        JobModel(workflow="w", priority=priority)
    options = json.dumps([{"workflow": "w", "priority": priority}])
    with pytest.raises(asyncpg.PostgresError, match="priority must be a whole number from 0 to 20"):
        await connection.execute(
            "SELECT pgqueuer.enqueue_jobs($1, NULL, ARRAY[gen_random_uuid()], ARRAY['{}'::jsonb])", options
        )


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"a": "x\x00"}, "payload.a contains a NUL character"),
        ({"a\x00": 1}, "a key of payload contains a NUL character"),
        ({"a": "\ud83d"}, "payload.a contains an unpaired surrogate"),
        ({"a": float("nan")}, "payload.a is nan"),
        ({"a": float("inf")}, "payload.a is inf"),
        ({"a": b"bytes"}, "payload.a is of type bytes"),
        (nested(100), "payload is nested deeper than 64 levels"),
        (payload_of(LIMIT + 1), f"payload has {LIMIT + 1} bytes as JSON, more than the limit of {LIMIT}"),
    ],
    ids=["NUL", "NUL in a key", "surrogate", "NaN", "infinity", "bytes", "100 levels", "too large"],
)
@pytest.mark.usefixtures("unchanged")
async def test_a_payload_that_cannot_be_stored_is_refused_with_the_place_of_the_fault(
    producer: PgQueuerProducer, connection: asyncpg.Connection, payload: dict[str, Any], said: str
) -> None:
    job = spoiled(payload=payload)
    calls = {
        "alone": lambda: producer.enqueue_job(job),
        "batch": lambda: producer.enqueue_batch([*jobs(0, 1), job, *jobs(2)]),
        "transaction": lambda: producer.enqueue_job(job, connection=connection),
    }
    for through, call in calls.items():
        with pytest.raises(InvalidJob) as caught:
            await call()
        assert said in str(caught.value)
        assert str(caught.value).startswith("job 2 of the batch: ") is (through == "batch")


async def test_the_limits_are_a_setting(config: QueueConfig, connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE pgqueuer.settings SET payload_limit = 100, result_limit = 50")
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="r") as consumer:
        with pytest.raises(InvalidJob, match="payload has 101 bytes as JSON, more than the limit of 100"):
            await producer.enqueue_job(JobModel(workflow="w", payload=payload_of(101)))
        await producer.enqueue_job(JobModel(workflow="w", payload=payload_of(100)))
        job = await claim(consumer)
        with pytest.raises(InvalidJob, match="result has 51 bytes as JSON, more than the limit of 50"):
            await consumer.complete_job(job, result="x" * 49)
        await consumer.complete_job(job, result="x" * 48)


async def test_one_settlement_that_the_database_refuses_harms_none_settled_with_it(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(10)))
    held = await consumer.claim_jobs(10)
    too_large = [1e300] * 20_000
    answers = await asyncio.gather(
        *(consumer.complete_job(job, result=too_large if n == 4 else n) for n, job in enumerate(held)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None)] * 4 + [InvalidJob] + [type(None)] * 5
    for n, job in enumerate(held):
        found = await producer.get_job(id_of(job))
        assert (found.status, found.result) == ((JobStatus.CLAIMED, None) if n == 4 else (JobStatus.COMPLETED, n))


# Databases that cannot be used


def opening(config: QueueConfig) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: migrate(config),
        lambda: PgQueuerProducer(config).__aenter__(),
        lambda: PgQueuerConsumer(config, robot_id="r").__aenter__(),
    ]


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = QueueConfig(database_url=f"postgresql://robot:s3cret@127.0.0.1:{port}/queue", outage_patience=0)
    for call in opening(config):
        with pytest.raises(DatabaseUnavailable, match=f"no PostgreSQL answers at 127.0.0.1:{port}") as caught:
            await call()
        assert "s3cret" not in str(caught.value)


async def test_a_wrong_password_and_a_wrong_database_are_told_without_the_password(database_url: str) -> None:
    server = database_url.rsplit("@", 1)[1]
    for url, said in (
        (f"postgresql://casare:s3cret@{server}", "password authentication failed"),
        (f"postgresql://nobody_of_that_name:s3cret@{server}", "password authentication failed"),
        (database_url.rsplit("/", 1)[0] + "/no_such_database", 'database "no_such_database" does not exist'),
    ):
        for call in opening(QueueConfig(database_url=url)):
            with pytest.raises(DatabaseUnavailable, match=said) as caught:
                await call()
            assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scope", ["database", "login"])
async def test_a_database_that_takes_no_writes_is_told_as_that(
    config: QueueConfig, connection: asyncpg.Connection, scope: str
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    login = f"reader_of_{name}"
    await connection.execute(f"CREATE ROLE {login} LOGIN SUPERUSER PASSWORD 'secret'")
    target = f"DATABASE {name}" if scope == "database" else f"ROLE {login}"
    await connection.execute(f"ALTER {target} SET default_transaction_read_only = on")
    before = await contents(connection)
    url = config.require_url()
    read_only = config.model_copy(update={"database_url": f"postgresql://{login}:secret@{url.rsplit('@', 1)[1]}"})
    with pytest.raises(DatabaseReadOnly, match="the database takes no writes"):
        await migrate(read_only)
    async with PgQueuerProducer(read_only) as producer:
        for call in (
            lambda: producer.enqueue_job(JobModel(workflow="w")),
            lambda: producer.enqueue_batch(jobs(0, 1), mode="each"),
        ):
            with pytest.raises(DatabaseReadOnly, match="the database takes no writes"):
                await call()
        assert await producer.get_queue_depth() == 0
    assert await contents(connection) == before
    await connection.execute(f"DROP ROLE {login}")


async def test_a_robot_on_a_database_that_takes_no_writes_says_so(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    async def handler(_: JobModel) -> None:
        """Nothing to do."""

    async with PgQueuerConsumer(config, robot_id="r") as consumer:
        with pytest.raises(DatabaseReadOnly, match="the database takes no writes"):
            await consumer.claim_job()
        with pytest.raises(DatabaseReadOnly, match="the database takes no writes"):
            await asyncio.wait_for(consumer.run(handler), 10)


async def test_a_server_that_is_too_old_is_told_with_both_versions(
    config: QueueConfig, monkeypatch: pytest.MonkeyPatch, connection: asyncpg.Connection
) -> None:
    monkeypatch.setattr("casare_rpa.infrastructure.postgres.connection.OLDEST_SERVER", 990000)
    version = (await connection.fetchval("SHOW server_version")).split()[0]
    for call in opening(config):
        with pytest.raises(ServerTooOld, match=f"the server is PostgreSQL {version}; version 14 or newer is needed"):
            await call()
    assert not (await PgQueuerProducer(config).health_check()).ok


async def test_a_password_of_special_characters_logs_in(config: QueueConfig, connection: asyncpg.Connection) -> None:
    password = "p@ss:w/ö rd#%?&'\"\\ü€[1]+"
    login = f"special_{await connection.fetchval('SELECT current_database()')}"
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
    await connection.execute(f'CREATE ROLE "{login}" LOGIN PASSWORD {quoted}; GRANT pgqueuer_producer TO "{login}"')
    await connection.execute("SELECT pgqueuer.register_login($1)", login)
    url = urlsplit(config.require_url())
    local = QueueConfig.local(
        database=url.path[1:], host=url.hostname or "", port=url.port or 0, user=login, password=password
    )
    async with PgQueuerProducer(local) as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        assert isinstance(job_id, UUID)
    await connection.execute(f'DROP OWNED BY "{login}"; DROP ROLE "{login}"')


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "mysql://robot:s3cret@host/queue",
        "postgresql://robot:s3cret/1@host/queue",
        "postgresql://u:12/3@h/q",
    ],
)
async def test_a_url_that_is_none_of_postgresqls_is_refused_without_showing_it(url: str) -> None:
    for call in opening(QueueConfig(database_url=url)):
        with pytest.raises(ConfigError, match="postgresql://") as caught:
            await call()
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("option", ["sslmode=perhaps", "no_such_setting=1"])
async def test_a_wrong_option_in_the_url_is_refused_without_the_password(config: QueueConfig, option: str) -> None:
    url = config.require_url()
    password = urlsplit(url).password or ""
    wrong = config.model_copy(update={"database_url": f"{url}?{option}", "outage_patience": 0})
    for call in opening(wrong):
        with pytest.raises(CasareError, match=option.split("=", maxsplit=1)[0]) as caught:
            await call()
        assert password not in str(caught.value)


async def test_no_error_of_a_working_queue_shows_the_password(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    password = urlsplit(config.require_url()).password or ""
    assert password
    assert password not in repr(config)
    await connection.execute("DROP SCHEMA pgqueuer CASCADE")
    with pytest.raises(CasareError) as caught:
        await producer.enqueue_job(JobModel(workflow="w"))
    assert password not in f"{caught.value!r} {caught.value}"
