"""A database clock that stands still: the schema's `clock()` is replaced by one that reads a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg


class FrozenClock:
    """Freezes and moves the clock of one database."""

    def __init__(self, connection: asyncpg.Connection, schema: str = "pgqueuer") -> None:
        self._connection = connection
        self._schema = schema

    async def freeze(self) -> datetime:
        """Stop the clock at the present moment."""
        await self._connection.execute(f"""
            CREATE TABLE {self._schema}.frozen_clock AS SELECT clock_timestamp() AS now;
            ALTER TABLE {self._schema}.frozen_clock OWNER TO {self._schema}_owner;
            CREATE OR REPLACE FUNCTION {self._schema}.clock() RETURNS timestamptz
            LANGUAGE sql VOLATILE AS $$ SELECT now FROM {self._schema}.frozen_clock $$;
        """)
        return await self.now()

    async def now(self) -> datetime:
        found: datetime = await self._connection.fetchval(f"SELECT now FROM {self._schema}.frozen_clock")
        return found

    async def advance(self, seconds: float) -> datetime:
        """Move the clock.

        A lease that runs out also needs a pass of the upkeep, and a step of more than 8 s between passes counts as an outage.
        """
        await self._connection.execute(
            f"UPDATE {self._schema}.frozen_clock SET now = now + $1 * interval '1 second'", float(seconds)
        )
        return await self.now()
