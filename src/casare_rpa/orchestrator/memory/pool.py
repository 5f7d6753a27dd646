"""Stands in for the pool of connections: an in-memory queue has none, and one process."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class MemoryConnection:
    """What calls are made on."""

    def __init__(self) -> None:
        self.closing: list[Callable[[], None]] = []
        """What is to be done when it is closed."""

    def terminate(self) -> None:
        """Close it; closing twice is safe."""
        while self.closing:
            self.closing.pop()()

    async def close(self) -> None:
        """Close it; closing twice is safe."""
        self.terminate()


class MemoryPool:
    """Lends connections, to the process that made the queue."""

    def __init__(self, process: int) -> None:
        self._process = process

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[MemoryConnection]:
        """Lend a connection, once everything else that is ready in this event loop has had its turn.

        Raises:
            ConfigError: this is another process, which has a copy of the queue that nobody else sees.

        """
        check_process(self._process)
        await asyncio.sleep(0)
        yield MemoryConnection()

    async def close(self) -> None:
        """Nothing is open."""

    def terminate(self) -> None:
        """Nothing is open."""


def check_process(process: int) -> None:
    """Raise `ConfigError` unless this is the process of this number."""
    if os.getpid() != process:
        raise ConfigError(
            f"an in-memory queue serves the process that made it ({process}), and this is another one ({os.getpid()}): "
            "use PostgreSQL to share a queue"
        )
