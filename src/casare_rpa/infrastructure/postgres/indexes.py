"""Builds a migration's indexes beside the work of the queue: a table that has become large is never shut while one is built.

It happens after the migration's transaction: programs work without them, only slower. Whatever is missing or was left half
built is built again by the next migration.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.patience import wait_briefly, with_patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from casare_rpa.infrastructure.postgres.sessions import PlainConnection

LONG_WAIT = "10min"
"""How long a build waits for transactions that began before it: nobody waits behind it."""

_LOG = logging.getLogger(__name__)
_STATEMENT = re.compile(r"CREATE INDEX (\w+) ON (\w+) (\(.+)", re.DOTALL)
_MISSING_PARTS = """
    SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhrelid
     WHERE h.inhparent = $1::regclass AND NOT EXISTS (
           SELECT FROM pg_inherits a JOIN pg_index i ON i.indexrelid = a.inhrelid
            WHERE a.inhparent = to_regclass($2) AND i.indrelid = p.oid AND i.indisvalid) ORDER BY p.relname"""

_IS_VALID = """
    SELECT i.indisvalid OR c.relkind = 'I' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.oid = to_regclass($1)"""


@dataclass(frozen=True)
class Index:
    """An index of a migration: ``CREATE INDEX name ON table (columns) …``."""

    name: str
    table: str
    definition: str

    @property
    def sql(self) -> str:
        """The statement that builds it at once, with the schema in the search path."""
        return f"CREATE INDEX {self.name} ON {self.table} {self.definition}"

    def name_in(self, partition: str) -> str:
        """Return the name that PostgreSQL gives this index in a partition that is made later."""
        columns = re.findall(r"\w+", self.definition.partition(")")[0])
        return "_".join([partition, *columns, "idx"])


def read_indexes(sql: str) -> list[Index]:
    """Return the indexes that a file asks for: it holds comments and ``CREATE INDEX`` statements, nothing else."""
    statements = re.sub(r"--.*", "", sql).split(";")
    found = [_STATEMENT.fullmatch(statement.strip()) for statement in statements if statement.strip()]
    if not all(found):
        raise ValueError(f"only CREATE INDEX name ON table (columns) may stand here: {sql}")
    return [Index(*match.groups()) for match in found if match]


async def build_missing_indexes(connection: PlainConnection, url: str, schema: str, indexes: Sequence[Index]) -> None:
    """Build what is missing; each is there as a whole or is built again.

    Raises:
        MigrationFailed: transactions of others were in the way for too long; the message names them.

    """
    if not [index for index in indexes if not await _is_there(connection, schema, index)]:
        return
    async with _alone(url, schema):
        if not connection.shares_sessions:  # behind a pooler settings would be left to others
            await connection.execute(
                f"SET ROLE \"{schema}_owner\"; SET lock_timeout = '{LONG_WAIT}'; SET statement_timeout = 0"
            )
        for index in indexes:
            if not await _is_there(connection, schema, index):
                _LOG.info("building the index %s beside the work of the queue", index.name)
                await with_patience(connection, schema, lambda index=index: _build(connection, schema, index))  # type: ignore[misc]  # a lambda's default


@asynccontextmanager
async def _alone(url: str, schema: str) -> AsyncIterator[None]:
    """Keep other migrations from building too.

    The lock is that of a transaction on a second connection: a session's own would be lost behind a pooler. A build waits for
    the end of every transaction that it finds with a snapshot: the lock's own keeps none, and who does not get it ends theirs
    and asks anew.
    """
    guard = await connect(url, "casare migrate")
    try:
        while not await _has_lock(guard, schema):  # noqa: ASYNC110 - the event is another program's
            await asyncio.sleep(0.2)
        yield
        await guard.execute("COMMIT")
    finally:
        await guard.close()


async def _has_lock(guard: PlainConnection, schema: str) -> bool:
    await guard.execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0")
    has = await guard.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended('casare indexes ' || $1, 0))", schema)
    # An empty query ends the portal of the question, and with it the snapshot that it would keep.
    await guard.execute("SELECT" if has else "ROLLBACK")
    return bool(has)


async def _is_there(connection: PlainConnection, schema: str, index: Index) -> bool:
    valid = await connection.fetchval(
        _IS_VALID,
        f'"{schema}".{index.name}',
    )
    return bool(valid) and not await _missing_parts(connection, schema, index)


async def _missing_parts(connection: PlainConnection, schema: str, index: Index) -> list[str]:
    rows = await connection.fetch(_MISSING_PARTS, f'"{schema}".{index.table}', f'"{schema}".{index.name}')
    return [row["relname"] for row in rows]


async def _build(connection: PlainConnection, schema: str, index: Index) -> None:
    kind = await connection.fetchval(
        "SELECT relkind FROM pg_class WHERE oid = $1::regclass", f'"{schema}".{index.table}'
    )
    if kind != b"p":
        await _build_beside(connection, schema, index.name, index.table, index.definition)
        return
    # Of the whole it is made in a moment; the partitions that are made from then on have it.
    await _quickly(
        connection,
        schema,
        f'CREATE INDEX IF NOT EXISTS {index.name} ON ONLY "{schema}".{index.table} {index.definition}',
    )
    for partition in await _missing_parts(connection, schema, index):
        part = index.name_in(partition)
        await _build_beside(connection, schema, part, partition, index.definition)
        await _quickly(connection, schema, f'ALTER INDEX "{schema}".{index.name} ATTACH PARTITION "{schema}"."{part}"')


async def _build_beside(connection: PlainConnection, schema: str, name: str, table: str, definition: str) -> None:
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
    if await connection.fetchval(valid, f'"{schema}"."{name}"') is False:  # left by a build that was interrupted
        await connection.execute(f'DROP INDEX CONCURRENTLY "{schema}"."{name}"')
    await connection.execute(f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{name}" ON "{schema}"."{table}" {definition}')


async def _quickly(connection: PlainConnection, schema: str, sql: str) -> None:
    """Run what others would wait behind."""
    async with connection.transaction():
        await wait_briefly(connection, schema)
        await connection.execute(f'SET LOCAL ROLE "{schema}_owner"')
        await connection.execute(sql)
