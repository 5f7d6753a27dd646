"""The one thread of an in-memory queue: sends the heartbeats of its robots and does the upkeep, while anybody has it open."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from casare_rpa.orchestrator.memory.upkeep import upkeep

if TYPE_CHECKING:
    from casare_rpa.orchestrator.memory.store import Store

AFTER_A_FAULT = 1.0
"""Seconds until it is tried again."""
_log = logging.getLogger("casare_rpa")


class Kept(Protocol):
    """Who has the queue open."""

    beat_due: float
    """When its next heartbeat is due, by `time.monotonic`."""

    def beat(self) -> None: ...


class Keeper:
    """Runs from the first `join` to the last `leave`. It is a thread because a handler may block the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition(store.lock)
        self._open: list[Kept] = []
        self._runs = False
        self._upkeep_due = 0.0

    def join(self, kept: Kept) -> None:
        """Somebody opens the queue."""
        with self._changed:
            self._open.append(kept)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="casare-job-queue", daemon=True).start()
            self._changed.notify_all()

    def leave(self, kept: Kept) -> None:
        """Somebody closes the queue, and no heartbeat of his is sent any more; leaving twice is safe."""
        with self._changed:
            if kept in self._open:
                self._open.remove(kept)
            self._changed.notify_all()

    def poke(self) -> None:
        """Look at once what is due."""
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while self._open:
                try:
                    self._do_what_is_due()
                except Exception:  # noqa: BLE001 - whatever it was, the others must not lose their leases
                    _log.exception("in-memory queue: heartbeats and upkeep failed and are tried again")
                    self._changed.wait(AFTER_A_FAULT)
                due = min(self._upkeep_due, *(kept.beat_due for kept in self._open)) if self._open else 0.0
                if due > time.monotonic():
                    self._changed.wait(due - time.monotonic())
            self._runs = False

    def _do_what_is_due(self) -> None:
        for kept in [kept for kept in self._open if kept.beat_due <= time.monotonic()]:
            kept.beat()
        if self._upkeep_due <= time.monotonic():
            self._upkeep_due = time.monotonic() + upkeep(self._store)
