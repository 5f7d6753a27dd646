"""The queue's schema: what it is made of, how it is migrated, and whether a program may use the one it finds."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import SchemaMissing, SchemaTooNew
from casare_rpa.infrastructure.postgres.migrator import Blueprint, migrate_schema

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.config import QueueConfig

PROGRAM_VERSION = 4
"""The schema version that this program was written for."""

_SQL = files("casare_rpa.infrastructure.queue") / "sql"

BLUEPRINT = Blueprint(
    migrations=_SQL / "migrations",
    functions=_SQL / "functions",
    roles=("owner", "producer", "publisher", "robot", "viewer"),
    oldest_program=1,
)


async def migrate(config: QueueConfig) -> int:
    """Create or update the queue's schema, roles and functions, and return its version; running it again changes nothing.

    Raises:
        DatabaseUnavailable, ServerTooOld, DatabaseReadOnly: the server cannot be used.
        NotPermitted: the login may not create the schema or its roles; the message holds the SQL an administrator runs.
        SchemaTooNew: a newer program has migrated it.

    """
    return await migrate_schema(config.require_url(), config.schema_name, BLUEPRINT)


def check_version(version: int | None, oldest_program: int | None) -> None:
    """Raise unless this program may use a schema of this version.

    Raises:
        SchemaMissing: it is older than the program.
        SchemaTooNew: it no longer serves programs as old as this one.

    """
    if version is None or version < PROGRAM_VERSION:
        raise SchemaMissing(
            f"the schema has version {version}, this program needs {PROGRAM_VERSION}: run `casare migrate`"
        )
    if oldest_program is not None and oldest_program > PROGRAM_VERSION:
        raise SchemaTooNew(
            f"the schema has version {version} and serves programs from {oldest_program} on; "
            f"this one is of {PROGRAM_VERSION}: update casare-rpa"
        )
