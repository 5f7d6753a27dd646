"""Trying again while the database is away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from casare_rpa.foundation.backoff import Backoff
from casare_rpa.infrastructure.postgres.faults import describe, is_passing, translate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from casare_rpa.infrastructure.telemetry.database_watch import DatabaseWatch

T = TypeVar("T")


async def with_patience(
    call: Callable[[int], Awaitable[T]],
    patience: float,
    also: tuple[type[Exception], ...] = (),
    watch: DatabaseWatch | None = None,
) -> T:
    """Make a call again, with growing pauses, while it fails because the database is away.

    Args:
        call: takes the number of the try, from 0. Whether an earlier try took effect is unknown, so it must be repeatable.
        patience: seconds to go on trying.
        also: further errors that may pass.
        watch: who is told that the database is away, and that it is back.

    Raises:
        DatabaseUnavailable: it did not come back in time.
        CasareError: what the call's failure means, at once.

    """
    deadline = time.monotonic() + patience
    backoff = Backoff()
    tries = 0
    while True:
        try:
            answer = await call(tries)
        except Exception as error:
            pause = backoff.next()
            if not (is_passing(error) or isinstance(error, also)) or time.monotonic() + pause > deadline:
                meaning = translate(error)
                if meaning is error:
                    raise
                raise meaning from error
            if watch is not None:
                watch.retrying(describe(error))
        else:
            if watch is not None:
                watch.back()
            return answer
        tries += 1
        await asyncio.sleep(pause)
