"""The reply to the COMMIT of a caller's own transaction gets lost: the caller finds out what it has done, and does it once."""

from __future__ import annotations

import asyncio

import asyncpg
import psycopg
import pytest

from casare_rpa.infrastructure.queue import DuplicateReference, JobModel, JobNotFound, JobStatus

BROKEN = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


@pytest.fixture
async def orders(connection):
    """The caller's own table, as it is in the database."""
    await connection.execute("CREATE TABLE orders (number integer PRIMARY KEY)")

    async def numbers() -> list[int]:
        return [row["number"] for row in await connection.fetch("SELECT number FROM orders ORDER BY 1")]

    return numbers


@pytest.fixture
async def far_connections(proxy):
    """Connections through the proxy, as many as the caller needs."""
    opened = []

    async def connect():
        opened.append(await asyncpg.connect(proxy.url))
        return opened[-1]

    yield connect
    for one in opened:
        one.terminate()


async def place(connection, producer, number, reference):
    async with connection.transaction():
        job = JobModel(workflow="ship", payload={"order": number}, reference=reference)
        await producer.enqueue_job(job, connection=connection)
        await connection.execute("INSERT INTO orders VALUES ($1)", number)


async def jobs_in(connection):
    return [row["id"] for row in await connection.fetch("SELECT id FROM pgqueuer.all_jobs")]


async def test_the_reference_tells_that_the_transaction_was_committed(
    proxy, far_connections, producer, orders, connection
):
    loss = proxy.lose_reply("COMMIT")
    with pytest.raises(BROKEN):
        await place(await far_connections(), producer, 1, "order-1")
    assert loss.happened.is_set()

    again = await far_connections()
    with pytest.raises(DuplicateReference) as raised:
        await place(again, producer, 1, "order-1")
    assert await jobs_in(connection) == [raised.value.job_id]
    assert await orders() == [1]


async def test_the_id_tells_so_too(proxy, far_connections, producer, orders):
    mine = await far_connections()
    transaction = mine.transaction()
    await transaction.start()
    job_id = await producer.enqueue_job(JobModel(workflow="ship"), connection=mine)
    proxy.lose_reply("COMMIT")
    with pytest.raises(BROKEN):
        await transaction.commit()
    assert await producer.get_job_status(job_id) is JobStatus.PENDING

    mine = await far_connections()
    transaction = mine.transaction()
    await transaction.start()
    job_id = await producer.enqueue_job(JobModel(workflow="ship"), connection=mine)
    loss = proxy.lose_request("COMMIT")
    with pytest.raises(BROKEN):
        await transaction.commit()
    assert loss.happened.is_set()
    with pytest.raises(JobNotFound):
        await producer.get_job(job_id)


@pytest.mark.parametrize("lost", ["request", "reply"])
async def test_a_transaction_that_is_done_again_leaves_one_order_and_one_job(
    proxy, far_connections, producer, orders, connection, lost
):
    loss = (proxy.lose_reply if lost == "reply" else proxy.lose_request)("COMMIT")

    async def place_once(number: int) -> None:
        while True:
            try:
                await place(await far_connections(), producer, number, f"order-{number}")
            except DuplicateReference:
                return  # the commit whose reply was lost had taken effect
            except BROKEN:
                continue
            else:
                return

    await place_once(1)
    assert loss.happened.is_set()
    assert await orders() == [1]
    assert len(await jobs_in(connection)) == 1


@pytest.mark.parametrize("lost", ["request", "reply"])
async def test_so_does_one_of_another_driver_with_plain_sql(proxy, orders, connection, lost):
    loss = (proxy.lose_reply if lost == "reply" else proxy.lose_request)("COMMIT")

    def place_once(number: int) -> int:
        tries = 0
        while True:
            tries += 1
            try:
                with psycopg.connect(proxy.url) as mine:
                    mine.execute("SELECT pgqueuer.enqueue_job('ship', p_reference => %s)", [f"order-{number}"])
                    mine.execute("INSERT INTO orders VALUES (%s)", [number])
            except psycopg.OperationalError:
                continue
            except psycopg.Error as error:
                if error.sqlstate != "CR003":
                    raise
            return tries

    assert await asyncio.to_thread(place_once, 1) == 2
    assert loss.happened.is_set()
    assert await orders() == [1]
    assert len(await jobs_in(connection)) == 1
