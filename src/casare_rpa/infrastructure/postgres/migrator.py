"""Brings a schema up to date: roles, numbered migrations once, functions every time, all in one transaction under a lock.

Indexes of tables that may be large by then have files of their own, ``0002_name.indexes.sql`` beside ``0002_name.sql``: a new
schema has them at once, an old one gets them after the transaction.

The files know no schema name. They run as the schema's owner with `search_path` set, and functions keep that path with
`SET search_path FROM CURRENT`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.foundation.errors import ConfigError, DatabaseReadOnly, MigrationFailed, NotPermitted, SchemaTooNew
from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.postgres.indexes import Index, build_missing_indexes, read_indexes
from casare_rpa.infrastructure.postgres.patience import IN_THE_WAY, NO_TIME_LIMIT, wait_briefly, with_patience

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_ANOTHER_MIGRATION = "10s"
"""How long a migration waits for another one to end."""
_NUMBERED = re.compile(r"^((\d{4})_\w+)\.sql$")


@dataclass(frozen=True)
class Migration:
    """A numbered file, and the indexes that belong to it."""

    version: int
    name: str
    sql: str
    indexes: list[Index]


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

    def numbered_migrations(self) -> list[Migration]:
        """Return every migration, oldest first."""
        files = {file.name: file for file in self.migrations.iterdir()}
        found: list[Migration] = []
        for name in sorted(files):
            if match := _NUMBERED.match(name):
                indexes = files.get(f"{match[1]}.indexes.sql")
                found.append(
                    Migration(
                        version=int(match[2]),
                        name=name,
                        sql=files[name].read_text("utf-8"),
                        indexes=read_indexes(indexes.read_text("utf-8")) if indexes else [],
                    )
                )
        return found

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
        MigrationFailed: a file cannot be run, or the tables were in use for a minute; the message names by whom.

    """
    connection = await connect(url, "casare migrate", patience=NO_TIME_LIMIT)
    try:
        if await connection.fetchval("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"):
            raise DatabaseReadOnly("the database takes no writes: it is a standby or set to read-only")
        await with_patience(connection, schema, lambda: _ensure_roles(connection, schema, blueprint.roles))
        version = await with_patience(connection, schema, lambda: _apply(connection, schema, blueprint))
        indexes = [index for migration in blueprint.numbered_migrations() for index in migration.indexes]
        await build_missing_indexes(connection, url, schema, indexes)
    except asyncpg.PostgresError as error:
        raise translate(error) from error
    else:
        return version
    finally:
        await connection.close()


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
        await connection.execute(f"SET LOCAL lock_timeout = '{_ANOTHER_MIGRATION}'")
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('casare migrate ' || $1, 0))", schema)
        await wait_briefly(connection, schema)
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
    newest = known[-1].version
    if applied and max(applied) > newest:
        raise SchemaTooNew(
            f"the schema has version {max(applied)}, this program knows {newest}: update casare-rpa before migrating"
        )
    for migration in known:
        if migration.version not in applied:
            await _run_file(connection, migration.name, migration.sql)
            for index in migration.indexes if not applied else ():
                await connection.execute(index.sql)
            await connection.execute(
                "INSERT INTO migrations (version, name, oldest_program) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                blueprint.oldest_program,
            )
    return newest


async def _apply_functions(connection: asyncpg.Connection, blueprint: Blueprint) -> None:
    for name, sql in blueprint.function_files():
        await _run_file(connection, name, sql)


async def _run_file(connection: asyncpg.Connection, name: str, sql: str) -> None:
    try:
        await connection.execute(sql)
    except IN_THE_WAY:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"{name}: {error}") from error
