"""The one clock of an in-memory queue; it can be stopped and moved, for tests."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


class QueueClock:
    """Tells the time; everything the queue does goes by it, except how long threads and robots sleep."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """The lock of the queue: nobody sees a clock that was moved before what the time brings is done."""
        self._stands_at: datetime | None = None
        self.time_passed: Callable[[], None] = lambda: None
        """Called when the clock was moved and what the time brings is to be done."""

    def now(self) -> datetime:
        """Return the time."""
        return self._stands_at or datetime.now(UTC)

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stop the clock at a time (with a zone; now by default) and return it."""
        self._stands_at = at or self.now()
        return self._stands_at

    def advance(self, seconds: float, *, upkeep: bool = True) -> datetime:
        """Move a stopped clock and return the new time.

        Nobody does anything meanwhile: a robot sends its heartbeats by real time, so leases that are shorter than the step run
        out.

        Args:
            seconds: how far, 0 or more.
            upkeep: whether what the time brings is done before the return: leases run out, jobs become due and robots hear of
                it. If not, the next pass of the upkeep does it, and takes a step of more than 8 seconds for a time in which the
                process was stopped, which it adds to all leases.

        Raises:
            ConfigError: the clock is not stopped, or it would go back.

        """
        check_step(seconds)
        with self.lock:
            if self._stands_at is None:
                raise ConfigError("only a stopped clock can be moved: call freeze() first")
            self._stands_at += timedelta(seconds=seconds)
            if upkeep:
                self.time_passed()
            return self._stands_at

    def unfreeze(self) -> None:
        """Follow the real time again."""
        self._stands_at = None


def check_step(seconds: float) -> None:
    """Refuse a step that no clock takes by itself.

    Raises:
        ConfigError: it leads back, or nowhere.

    """
    if not 0 <= seconds < math.inf:
        raise ConfigError(f"time goes on: advance() takes seconds from 0 up, not {seconds!r}")
