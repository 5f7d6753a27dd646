"""The clock of a queue in PostgreSQL, stopped: the schema's function `clock` is replaced by one that reads a table."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.queue.schema import BLUEPRINT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime


class DatabaseClock:
    """Stops and moves the clock of one schema, over the connection that it is given or, for a URL, over a new one each time."""

    def __init__(self, database: str | asyncpg.Connection, schema: str) -> None:
        self._database = database
        self._schema = schema

    async def freeze(self) -> datetime:
        await self._as_owner(
            "CREATE TABLE IF NOT EXISTS frozen_clock AS SELECT clock_timestamp() AS now",
            "CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql VOLATILE SET search_path FROM CURRENT "
            "AS $$ SELECT now FROM frozen_clock $$",
        )
        return await self.now()

    async def now(self) -> datetime:
        async with self._connected() as connection:
            found: datetime = await connection.fetchval(f'SELECT "{self._schema}".clock()')
            return found

    async def advance(self, seconds: float, *, upkeep: bool) -> datetime:
        statements = [f"UPDATE frozen_clock SET now = now + seconds({float(seconds)!r})"]  # noqa: S608 - a number
        if upkeep:
            statements += ["UPDATE upkeep_state SET passed_at = clock()", "SELECT upkeep(true)"]
        await self._as_owner(*statements)
        return await self.now()

    async def unfreeze(self) -> None:
        [definition] = [sql for name, sql in BLUEPRINT.function_files() if name == "00_clock.sql"]
        await self._as_owner(
            definition,
            "DROP TABLE IF EXISTS frozen_clock",
            # Passes that lie in the future would keep the upkeep away until then.
            "UPDATE upkeep_state SET passed_at = least(passed_at, clock()), partitioned_at = least(partitioned_at, clock())",
        )

    async def _as_owner(self, *statements: str) -> None:
        """Run the statements in one transaction."""
        async with self._connected() as connection:
            try:
                async with connection.transaction():
                    await connection.execute(f'SET LOCAL ROLE "{self._schema}_owner"')
                    await connection.execute(f'SET LOCAL search_path = "{self._schema}", pg_temp')
                    for statement in statements:
                        await connection.execute(statement)
            except asyncpg.PostgresError as error:
                raise translate(error) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        if not isinstance(self._database, str):
            yield self._database
            return
        connection = await connect(self._database, "casare frozen clock")
        try:
            yield connection
        finally:
            await connection.close()
