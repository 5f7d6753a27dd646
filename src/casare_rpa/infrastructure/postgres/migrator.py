"""Brings a schema up to date: roles, numbered migrations once, functions every time, all in one transaction under a lock.

The files know no schema name. They run as the schema's owner with `search_path` set, and functions keep that path with
`SET search_path FROM CURRENT`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.foundation.errors import ConfigError, DatabaseReadOnly, MigrationFailed, NotPermitted, SchemaTooNew
from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.faults import translate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from importlib.resources.abc import Traversable

T = TypeVar("T")

_TRIES = 6
_LOCK_TIMEOUT = "10s"
_IN_THE_WAY = (
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.InternalServerError,  # "tuple concurrently updated": two databases of a server grant the same role
)
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")


@dataclass(frozen=True)
class Blueprint:
    """What a schema is made of.

    `roles` are suffixes: ``robot`` becomes the role ``<schema>_robot``. `oldest_program` is the oldest schema version whose
    programs the functions still serve.
    """

    migrations: Traversable
    functions: Traversable
    roles: tuple[str, ...]
    oldest_program: int

    def numbered_migrations(self) -> list[tuple[int, str, str]]:
        """Return (version, file name, SQL) of every migration, oldest first."""
        found = [(int(match[1]), file) for file in self.migrations.iterdir() if (match := _NUMBERED.match(file.name))]
        return [
            (version, file.name, file.read_text("utf-8")) for version, file in sorted(found, key=lambda item: item[0])
        ]

    def function_files(self) -> list[tuple[str, str]]:
        """Return (file name, SQL) of every function in the order of the names."""
        files = sorted(
            (file for file in self.functions.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
        )
        return [(file.name, file.read_text("utf-8")) for file in files]


async def migrate_schema(url: str, schema: str, blueprint: Blueprint) -> int:
    """Bring `schema` up to date and return its version.

    Raises:
        DatabaseUnavailable, ServerTooOld, DatabaseReadOnly: the server cannot be used.
        NotPermitted: the login may not create the schema or its roles; the message holds the SQL that an administrator runs.
        SchemaTooNew: a newer program has migrated it.

    """
    connection = await connect(url, "casare migrate")
    try:
        if await connection.fetchval("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"):
            raise DatabaseReadOnly("the database takes no writes: it is a standby or set to read-only")
        await _with_patience(lambda: _ensure_roles(connection, schema, blueprint.roles))
        return await _with_patience(lambda: _apply(connection, schema, blueprint))
    except asyncpg.PostgresError as error:
        raise translate(error) from error
    finally:
        await connection.close()


async def _with_patience(step: Callable[[], Awaitable[T]]) -> T:
    """Run a step again when another migration, of this database or of another on the server, was in its way."""
    backoff = Backoff(first=0.2)
    for _ in range(_TRIES):
        try:
            return await step()
        except _IN_THE_WAY:
            await asyncio.sleep(backoff.next())
    return await step()


async def _ensure_roles(connection: asyncpg.Connection, schema: str, suffixes: tuple[str, ...]) -> None:
    """Create the roles that are missing and let this login act as the owner. Roles belong to the whole server."""
    for suffix in suffixes:
        role = f"{schema}_{suffix}"
        if await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            continue
        try:
            await connection.execute(f'CREATE ROLE "{role}" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS')
        except asyncpg.InsufficientPrivilegeError:
            raise NotPermitted(_what_an_administrator_runs(schema, suffixes)) from None
    owner = f"{schema}_owner"
    kind = "SET" if connection.get_server_version()[0] >= 16 else "MEMBER"
    if not await connection.fetchval("SELECT pg_has_role(current_user, $1, $2)", owner, kind):
        try:
            await connection.execute(f'GRANT "{owner}" TO CURRENT_USER')
        except asyncpg.InsufficientPrivilegeError:
            raise NotPermitted(_what_an_administrator_runs(schema, suffixes)) from None


def _what_an_administrator_runs(schema: str, suffixes: tuple[str, ...]) -> str:
    roles = "\n".join(f'  CREATE ROLE "{schema}_{suffix}" NOLOGIN;' for suffix in suffixes)
    return (
        "this login may not create the queue's roles. Let an administrator run what is missing of\n"
        f'{roles}\n  GRANT "{schema}_owner" TO the_login_that_migrates;\nand migrate again.'
    )


async def _apply(connection: asyncpg.Connection, schema: str, blueprint: Blueprint) -> int:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('casare migrate ' || $1, 0))", schema)
        await _ensure_schema(connection, schema)
        await connection.execute(f'SET LOCAL ROLE "{schema}_owner"')
        await connection.execute(f'SET LOCAL search_path = "{schema}", pg_temp')
        version = await _apply_migrations(connection, blueprint)
        await _apply_functions(connection, blueprint)
        return version


async def _ensure_schema(connection: asyncpg.Connection, schema: str) -> None:
    owner = await connection.fetchval("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", schema)
    if owner is None:
        try:
            await connection.execute(f'CREATE SCHEMA "{schema}" AUTHORIZATION "{schema}_owner"')
        except asyncpg.InsufficientPrivilegeError:
            raise NotPermitted(
                "this login may not create a schema in this database. Let an administrator run\n"
                f'  CREATE SCHEMA "{schema}" AUTHORIZATION "{schema}_owner";\nand migrate again.'
            ) from None
    elif owner != f"{schema}_owner":
        raise ConfigError(
            f'the schema "{schema}" exists and belongs to "{owner}": it is not ours. '
            "Choose another name with PGQUEUER_SCHEMA"
        )


async def _apply_migrations(connection: asyncpg.Connection, blueprint: Blueprint) -> int:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY, name text NOT NULL, "
        "oldest_program integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    applied = {row["version"] for row in await connection.fetch("SELECT version FROM migrations")}
    known = blueprint.numbered_migrations()
    newest = known[-1][0]
    if applied and max(applied) > newest:
        raise SchemaTooNew(
            f"the schema has version {max(applied)}, this program knows {newest}: update casare-rpa before migrating"
        )
    for version, name, sql in known:
        if version not in applied:
            await _run_file(connection, name, sql)
            await connection.execute(
                "INSERT INTO migrations (version, name, oldest_program) VALUES ($1, $2, $3)",
                version,
                name,
                blueprint.oldest_program,
            )
    return newest


async def _apply_functions(connection: asyncpg.Connection, blueprint: Blueprint) -> None:
    for name, sql in blueprint.function_files():
        await _run_file(connection, name, sql)


async def _run_file(connection: asyncpg.Connection, name: str, sql: str) -> None:
    try:
        await connection.execute(sql)
    except _IN_THE_WAY:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"{name}: {error}") from error
