"""Each queue that the kit serves, as a test of a user's handlers would have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from casare_rpa.orchestrator import JobQueue


@pytest.fixture(params=["postgresql", "memory"])
def queue(request: pytest.FixtureRequest) -> QueueConfig | JobQueue:
    name = "casare_config" if request.param == "postgresql" else "casare_queue"
    found: QueueConfig | JobQueue = request.getfixturevalue(name)
    return found


@pytest.fixture
async def producer(queue: QueueConfig | JobQueue) -> AsyncIterator[PgQueuerProducer]:
    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig

    async with PgQueuerProducer(queue) if isinstance(queue, QueueConfig) else queue.producer() as opened:
        yield opened
