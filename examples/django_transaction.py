"""A job inside a transaction of Django's: `atomic` around the order and one SELECT on the same connection."""

import asyncio
import json
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings
from django.db import connection, transaction

from casare_rpa.infrastructure.queue import QueueConfig, migrate


def configure(url: str) -> None:
    """Do what a project's settings do."""
    parts = urlsplit(url)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": parts.path.removeprefix("/"),
    }
    settings.configure(DATABASES={"default": database})
    django.setup()


def enqueue(workflow: str, payload: dict[str, int], reference: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pgqueuer.enqueue_job(%s, %s::jsonb, p_queue => 'shipping', p_reference => %s)",
            [workflow, json.dumps(payload), reference],
        )


def order(number: int, *, in_stock: bool = True) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders (number) VALUES (%s)", [number])
        enqueue("ship", {"order": number}, f"order-{number}")
        if not in_stock:
            raise LookupError(f"order {number} is not in stock")


def main() -> None:
    config = QueueConfig.from_env()
    asyncio.run(migrate(config))
    configure(config.require_url())
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS orders (number integer PRIMARY KEY)")
    order(1)
    try:
        order(2, in_stock=False)
    except LookupError as error:
        print(f"rolled back: {error}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM orders), pgqueuer.queue_depth('shipping')")
        orders, jobs = cursor.fetchone()
    print(f"{orders} order, {jobs} job")
    connection.close()


main()
