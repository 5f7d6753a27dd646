"""The one clock of an in-memory queue; it can be stopped and moved, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


class QueueClock:
    """Tells the time; everything the queue does goes by it, except how long threads and robots sleep."""

    def __init__(self) -> None:
        self._stands_at: datetime | None = None
        self.time_passed: Callable[[], None] = lambda: None
        """Called after every `advance`."""

    def now(self) -> datetime:
        """Return the time."""
        return self._stands_at or datetime.now(UTC)

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stop the clock at a time (with a zone; now by default) and return it."""
        self._stands_at = at or self.now()
        return self._stands_at

    def advance(self, seconds: float) -> datetime:
        """Move a stopped clock, back if `seconds` is negative, and return the new time.

        Raises:
            ConfigError: the clock is not stopped.

        """
        if self._stands_at is None:
            raise ConfigError("only a stopped clock can be moved: call freeze() first")
        self._stands_at += timedelta(seconds=seconds)
        self.time_passed()
        return self.now()

    def go_on(self) -> None:
        """Follow the real time again."""
        self._stands_at = None
