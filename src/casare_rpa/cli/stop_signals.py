"""The signals that ask this process to stop: SIGTERM and SIGINT (Ctrl-C), on Windows also SIGBREAK (Ctrl-Break).

`signal.signal` is used rather than the event loop's own handlers because Windows has only that. Not yet tested there.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

_NAMES = ("SIGTERM", "SIGINT", "SIGBREAK")


class StopSignals:
    """Listens for signals from `__enter__` to `__exit__`, inside a running event loop.

    The first sets `stop`, the second `stop_now`. A third does what the system does with it: it ends the process.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.stop_now = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in _NAMES:
            if number := getattr(signal, name, None):
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _heard(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._count)

    def _count(self) -> None:
        if not self.stop.is_set():
            self.stop.set()
            return
        self.stop_now.set()
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)
