"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from concurrent.futures import CancelledError, wait
from typing import TYPE_CHECKING, Any, TypeVar

from casare_rpa.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

INTERRUPTIBLE = 0.5
"""Seconds between looks for Ctrl-C: on Windows it does not interrupt a thread that waits for a lock."""
_CLOSED = "the producer was closed before this call had ended: whether it has taken effect is unknown"
LONGEST_STOP = 10.0
"""Seconds that the thread gets to end."""


class BackgroundLoop:
    """Runs coroutines for other threads, in a daemon thread that lives until `stop`. Safe to use from any thread.

    Raises:
        ConfigError: the calling thread has an event loop itself.

    """

    def __init__(self, name: str) -> None:
        _check_no_loop()
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._started.wait()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that has the thread: a fork copies everything but threads."""
        return os.getpid() == self._process

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait until the loop has done some work and return what came of it; Ctrl-C cancels it.

        Raises:
            ConfigError: the calling thread has an event loop, which this would block; it is another process, after a fork;
                or the loop has been stopped.

        """
        loop, coroutine = self._check(), work()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # it has just been closed
            coroutine.close()
            raise ConfigError(_CLOSED) from None
        try:
            while not future.done() and self._thread.is_alive():
                wait([future], INTERRUPTIBLE)
            if not self._thread.is_alive():
                future.cancel()
            return future.result()
        except CancelledError:
            raise ConfigError(_CLOSED) from None
        finally:
            future.cancel()

    def stop(self) -> None:
        """Cancel what still runs and end the thread; stopping twice is safe."""
        if self._loop is not None and self._stopping is not None and self.is_ours:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(LONGEST_STOP)

    def _check(self) -> asyncio.AbstractEventLoop:
        if not self.is_ours:
            raise ConfigError(
                f"this producer was opened in process {self._process} and cannot be used after a fork, "
                f"in process {os.getpid()}: open a new one there"
            )
        _check_no_loop()
        if self._loop is None or not self._thread.is_alive():
            raise ConfigError(_CLOSED)
        return self._loop

    def _run(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stopping.wait()


def _check_no_loop() -> None:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        raise ConfigError("this call would block the event loop that runs here: use PgQueuerProducer and await it")
