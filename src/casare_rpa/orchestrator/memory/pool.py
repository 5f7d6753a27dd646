"""Stands in for the pool of connections: an in-memory queue has none, and one process."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


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

    def is_closed(self) -> bool:
        """Whether it is of no use any more; it always is."""
        return False


class MemoryPool:
    """Lends connections, to the process that made the queue."""

    def __init__(self, process: int) -> None:
        self._process = process

    def get_max_size(self) -> int:
        """One: nobody should keep it from call to call, for lending it is what gives others their turn."""
        return 1

    def acquire(self) -> _Loan:
        """Lend a connection, to be awaited or entered, once everything else that is ready in this event loop has had its turn.

        Raises:
            ConfigError: this is another process, which has a copy of the queue that nobody else sees.

        """
        check_process(self._process)
        return _Loan()

    async def release(self, connection: MemoryConnection) -> None:
        """Nothing comes back."""

    async def close(self) -> None:
        """Nothing is open."""

    def terminate(self) -> None:
        """Nothing is open."""


class _Loan:
    def __await__(self) -> Generator[Any, None, MemoryConnection]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> MemoryConnection:
        await asyncio.sleep(0)
        return MemoryConnection()

    async def __aexit__(self, *_: object) -> None:
        """Nothing comes back."""


def check_process(process: int) -> None:
    """Raise `ConfigError` unless this is the process of this number."""
    if os.getpid() != process:
        raise ConfigError(
            f"an in-memory queue serves the process that made it ({process}), and this is another one ({os.getpid()}): "
            "use PostgreSQL to share a queue"
        )
