"""A job inside a transaction of psycopg's: one SELECT on the same connection, which any driver can send."""

import asyncio

import psycopg
from psycopg.types.json import Jsonb

from casare_rpa.infrastructure.queue import QueueConfig, migrate

ENQUEUE = "SELECT pgqueuer.enqueue_job('ship', %s, p_queue => 'shipping', p_reference => %s)"


def order(connection: psycopg.Connection, number: int, *, in_stock: bool = True) -> None:
    with connection.transaction():
        connection.execute("INSERT INTO orders (number) VALUES (%s)", [number])
        connection.execute(ENQUEUE, [Jsonb({"order": number}), f"order-{number}"])
        if not in_stock:
            raise LookupError(f"order {number} is not in stock")


def main() -> None:
    config = QueueConfig.from_env()
    asyncio.run(migrate(config))
    with psycopg.connect(config.require_url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (number integer PRIMARY KEY)")
        order(connection, 1)
        try:
            order(connection, 2, in_stock=False)
        except LookupError as error:
            print(f"rolled back: {error}")
        for found in connection.execute("SELECT (SELECT count(*) FROM orders), pgqueuer.queue_depth('shipping')"):
            print(f"{found[0]} order, {found[1]} job")


main()
