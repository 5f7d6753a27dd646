"""`casare migrate`."""

import asyncio

from casare_rpa.cli.output import say


def migrate() -> None:
    """Create or update the schema. Running it again changes nothing."""
    from casare_rpa.infrastructure import queue  # noqa: PLC0415 - help must not wait for it

    config = queue.QueueConfig.from_env()
    version = asyncio.run(queue.migrate(config))
    say(f"the schema {config.schema_name} has version {version}")
