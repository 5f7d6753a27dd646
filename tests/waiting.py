"""Waiting for states, never for time to pass."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


async def eventually(condition: Callable[[], Any], within: float = 10.0, why: str = "") -> Any:
    """Return what `condition` (plain or async) returns once that is true; fail when it is not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within} s: {why or condition}")
        await asyncio.sleep(0.01)
