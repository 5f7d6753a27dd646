"""`casare migrate`."""

import asyncio

from casare_rpa.cli.output import say
from casare_rpa.foundation.errors import MigrationFailed

_ABSENT = ("42P01", "42703", "42704")
"""PostgreSQL's codes for a table, a column and a type that are not there."""


def migrate() -> None:
    """Create or update the schema. Running it again changes nothing."""
    from casare_rpa.infrastructure import queue  # noqa: PLC0415 - help must not wait for it

    config = queue.QueueConfig.from_env()
    try:
        version = asyncio.run(queue.migrate(config))
    except MigrationFailed as error:
        if getattr(error.__cause__, "sqlstate", None) not in _ABSENT:
            raise
        raise MigrationFailed(
            f"objects of the schema are missing, which it had: restore them from a backup; "
            f"casare doctor says which ({error}). Nothing was changed"
        ) from error
    say(f"the schema {config.schema_name} has version {version}")
