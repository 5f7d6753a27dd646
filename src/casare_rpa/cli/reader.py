"""Whether anybody still reads what this process prints: a command that waits would write again, and notice, only much later.

POSIX tells whoever asks about a pipe. Windows does not: there the next write finds out.
"""

from __future__ import annotations

import asyncio
import select
import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

T = TypeVar("T")

_INTERVAL = 0.5
"""Seconds between two looks."""


async def while_read(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns.

    Raises:
        BrokenPipeError: nobody reads stdout any more; the work was cancelled.

    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_INTERVAL)
            if not task.done() and _is_gone():
                raise BrokenPipeError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _is_gone() -> bool:
    if not hasattr(select, "poll"):
        return False
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # it is no file
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
