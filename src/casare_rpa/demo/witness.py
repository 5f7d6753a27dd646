"""Says what the database holds, by SQL over the queue's tables: a checker must not ask those whom it checks."""

from __future__ import annotations

import contextlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import asyncpg

from casare_rpa.demo.inventory import Item
from casare_rpa.demo.report import Report
from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.faults import translate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue import QueueConfig

_SQL = files("casare_rpa.demo") / "sql"


class Witness:
    """Looks into one queue over a connection of its own, as the owner of the schema."""

    def __init__(self, connection: asyncpg.Connection, queue_name: str) -> None:
        self._connection = connection
        self._queue = queue_name

    async def robots(self) -> set[str]:
        """Return the names of the robots that listen."""
        return {row["robot_id"] for row in await self._fetch("robots", self._queue)}

    async def progress(self, ids: Sequence[UUID]) -> dict[str, int]:
        """Return how many of these jobs are ``waiting``, ``running``, ``done`` and ``dead``."""
        return dict((await self._fetch("progress", ids))[0])

    async def report(self, ids: Sequence[UUID]) -> Report:
        """Return what became of the jobs that were submitted under these ids."""
        return Report(**(await self._fetch("report", ids, self._queue))[0])

    async def inventory(self, ids: Sequence[UUID], tag: str) -> list[Item]:
        """Return what the completed ones of these jobs that carry `tag` found."""
        return [
            Item(**json.loads(row["result"]), verified_by=row["verified_by"], attempts=row["attempts"])
            for row in await self._fetch("inventory", ids, tag)
        ]

    async def _fetch(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        statement = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
        try:
            return list(await self._connection.fetch(statement, *arguments))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise translate(error) from error


@contextlib.asynccontextmanager
async def witness(config: QueueConfig) -> AsyncIterator[Witness]:
    """Open a witness of the configured queue; see `connect` for what is raised."""
    connection = await connect(config.require_url(), "casare demo witness")
    try:
        await connection.execute("SELECT set_config('search_path', $1, false)", config.schema_name)
        yield Witness(connection, config.queue_name)
    finally:
        connection.terminate()
