"""Says once that the database is away, and once that it is back, however many calls notice."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.telemetry.events import Event

if TYPE_CHECKING:
    from casare_rpa.infrastructure.telemetry.log import Log
    from casare_rpa.infrastructure.telemetry.metrics import Metrics


class DatabaseWatch:
    """What one robot or producer knows of its database over one link of its own; told of from any thread."""

    def __init__(self, log: Log, link: str, queue: str, metrics: Metrics | None) -> None:
        self._log = log
        self._link = link
        self._queue = queue
        self._metrics = metrics
        self._lock = threading.Lock()
        self._lost_at: float | None = None

    def retrying(self, error: str) -> None:
        """A call failed because the database is away, and will be sent again."""
        if self._metrics is not None:
            self._metrics.database_retry(self._queue)
        self.lost(error)

    def lost(self, error: str) -> None:
        """The database is away; the error is one line."""
        with self._lock:
            if self._lost_at is not None:
                return
            self._lost_at = time.monotonic()
        self._log.warning(Event.DATABASE_LOST, link=self._link, error=error)

    def back(self) -> None:
        """The database has answered."""
        if self._lost_at is None:
            return
        with self._lock:
            lost_at, self._lost_at = self._lost_at, None
        if lost_at is not None:
            self._log.info(Event.DATABASE_BACK, link=self._link, seconds=round(time.monotonic() - lost_at, 3))
