"""A job that exists exactly when the order that it is for exists: both are written in one transaction."""

import asyncio

import asyncpg

from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer, QueueConfig, migrate


async def order(
    producer: PgQueuerProducer, connection: asyncpg.Connection, number: int, *, in_stock: bool = True
) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO orders (number) VALUES ($1)", number)
        await producer.enqueue_job(JobModel(workflow="ship", payload={"order": number}), connection=connection)
        if not in_stock:
            raise LookupError(f"order {number} is not in stock")


async def main() -> None:
    config = QueueConfig.from_env(queue_name="shipping")
    await migrate(config)
    connection = await asyncpg.connect(config.require_url())
    await connection.execute("CREATE TEMPORARY TABLE orders (number integer PRIMARY KEY)")
    async with PgQueuerProducer(config) as producer:
        await order(producer, connection, 1)
        try:
            await order(producer, connection, 2, in_stock=False)
        except LookupError as error:
            print(f"rolled back: {error}")
        orders = await connection.fetchval("SELECT count(*) FROM orders")
        print(f"{orders} order, {await producer.get_queue_depth()} job")
    await connection.close()


asyncio.run(main())
