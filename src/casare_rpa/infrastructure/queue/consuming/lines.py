"""Which line a lifeline speaks on: the direct one, where it can listen, or the ordinary one while that is not to be had."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.postgres.faults import describe
from casare_rpa.infrastructure.postgres.sessions import CONNECT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from casare_rpa.infrastructure.postgres.sessions import PlainConnection
    from casare_rpa.infrastructure.queue.config import QueueConfig

SHORTEST_CONNECT = 2.0
"""Seconds that connecting may take at first, at least. Each time it fails the next may take twice as long, 10 at most."""
DIRECT_AGAIN = (1.0, 30.0)
"""Seconds until a direct line that failed is tried again: at first, and at most."""
HELD = 60.0
"""Seconds after which a direct line was no passing success."""


class Line(NamedTuple):
    """A connection, whether it has a session of its own to listen in, whether it is the direct one, and when it was opened."""

    connection: PlainConnection
    listens: bool
    direct: bool
    since: float

    def close(self) -> None:
        """Drop it without a word: whoever is at its other end may not answer."""
        self.connection.terminate()


class Lines:
    """Opens the lines of one lifeline.

    Args:
        config: with the URLs.
        name: as the server shows it.
        told: is called with the fault when the direct line cannot be opened, and with None when it is.

    """

    def __init__(self, config: QueueConfig, name: str, told: Callable[[str | None], None]) -> None:
        self._config = config
        self._name = name
        self._told = told
        self._has_direct = config.direct_url is not None and not config.has_own_sessions
        self._direct_due = 0.0
        self._direct_pause = DIRECT_AGAIN[0]
        self._slowness = 1

    async def open(self, patience: float) -> Line:
        """Open the better of the lines that can be had.

        Args:
            patience: seconds that a heartbeat is waited for. Connecting gets half of it at first, for the sake of a second try.

        Raises:
            TimeoutError, CasareError: there is none.

        """
        within = min(CONNECT_TIMEOUT, max(SHORTEST_CONNECT, patience / 2) * self._slowness)
        try:
            line = (await self.better(within) if self.better_is_due() else None) or await self._open_ordinary(within)
        except Exception:
            self._slowness = min(2 * self._slowness, 8)
            self._direct_due = 0.0
            raise
        self._slowness = 1
        return line

    def better_is_due(self) -> bool:
        """Whether there is a direct line that should be tried."""
        return self._has_direct and time.monotonic() >= self._direct_due

    async def better(self, within: float) -> Line | None:
        """Open the direct line, or return None when that cannot be done in so many seconds."""
        assert self._config.direct_url is not None  # noqa: S101 - it is due only if there is one
        try:
            async with asyncio.timeout(within):
                connection = await connect(self._config.direct_url, self._name, own_session=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the ordinary line serves meanwhile
            self._put_off()
            self._told(describe(error))
            return None
        self._told(None)
        return Line(connection, listens=True, direct=True, since=time.monotonic())

    def broke(self, line: Line | None) -> None:
        """Note that a line is of no use any more."""
        if line is not None and line.direct:
            if time.monotonic() - line.since > HELD:
                self._direct_pause = DIRECT_AGAIN[0]
            self._put_off()

    def _put_off(self) -> None:
        self._direct_due = time.monotonic() + self._direct_pause
        self._direct_pause = min(2 * self._direct_pause, DIRECT_AGAIN[1])

    async def _open_ordinary(self, within: float) -> Line:
        async with asyncio.timeout(within):
            connection = await connect(
                self._config.require_url(), self._name, own_session=self._config.has_own_sessions
            )
        return Line(connection, listens=not connection.shares_sessions, direct=False, since=time.monotonic())
