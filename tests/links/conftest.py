"""Links to the test's database that misbehave. Settings are short, so that a test takes seconds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, pool
from tests.faults.proxy import Proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue import QueueConfig


@pytest.fixture
async def link(database_url: str) -> AsyncIterator[Proxy]:
    """A link that works, until the test does something to it."""
    async with Proxy(database_url) as opened:
        yield opened


PATIENCE = 1.5
"""Seconds that a call of these tests may be silent: half of their `outage_patience`."""


@pytest.fixture
def far(config: QueueConfig, link: Proxy, monkeypatch: pytest.MonkeyPatch) -> QueueConfig:
    """The queue at the other end of the link."""
    monkeypatch.setattr(pool, "SHORTEST_PATIENCE", PATIENCE)
    short = {"visibility_timeout": 4.0, "poll_interval": 0.1, "outage_patience": 2 * PATIENCE}
    return config.model_copy(update={"database_url": link.url, **short})


@pytest.fixture
async def far_producer(far: QueueConfig) -> AsyncIterator[PgQueuerProducer]:
    async with PgQueuerProducer(far) as opened:
        yield opened


@asynccontextmanager
async def far_robot(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    """A robot whose lifeline stands."""
    async with PgQueuerConsumer(config, "far robot") as opened:
        await eventually(lambda: opened._lifeline.beats > 0)
        yield opened
