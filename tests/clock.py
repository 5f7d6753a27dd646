"""The database's clock, stopped. Here it moves alone: what the time brings happens when a test calls the upkeep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa import testing

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg


class FrozenClock(testing.FrozenClock):
    """A clock whose steps are not followed by a pass of the upkeep, unless a test asks for it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    async def advance(self, seconds: float, *, upkeep: bool = False) -> datetime:
        """Move the clock.

        A lease that runs out also needs a pass of the upkeep, and a step of more than 8 s between passes counts as an outage.
        """
        return await super().advance(seconds, upkeep=upkeep)
