"""One conversation with the queue that the environment names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from casare_rpa.infrastructure.queue import PgQueuerProducer

T = TypeVar("T")


def ask(question: Callable[[PgQueuerProducer], Awaitable[T]]) -> T:
    """Open a producer with the environment's settings, put the question to it, close it and return the answer.

    Raises:
        CasareError: whatever the producer raises.

    """
    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig  # noqa: PLC0415 - help must not wait for it
    from casare_rpa.orchestrator import require_shared_queue  # noqa: PLC0415 - as above

    require_shared_queue()
    config = QueueConfig.from_env()

    async def converse() -> T:
        async with PgQueuerProducer(config) as producer:
            return await question(producer)

    return asyncio.run(converse())
