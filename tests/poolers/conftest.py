from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.postgres import sessions
from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
from tests.poolers.pgbouncer import PROGRAM, PgBouncer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from casare_rpa.embedded import EmbeddedPostgres

WITHOUT_PGBOUNCER = "pgbouncer is not installed"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    """What was found behind a URL is forgotten: each test finds out by itself."""
    sessions._doors.clear()


@pytest.fixture(scope="session")
def pooler(server: EmbeddedPostgres) -> Iterator[PgBouncer]:
    """PgBouncer as Debian has it, in transaction mode, before the session's server."""
    if PROGRAM is None:
        pytest.skip(WITHOUT_PGBOUNCER)
    with PgBouncer(server.url) as running:
        yield running


@pytest.fixture
def pooled(config: QueueConfig, pooler: PgBouncer) -> QueueConfig:
    """The test's database through the pooler, without a way past it."""
    return config.model_copy(update={"database_url": pooler.url(database_of(config)), "poll_interval": 0.1})


@pytest.fixture
def pooled_and_direct(pooled: QueueConfig, database_url: str) -> QueueConfig:
    """The test's database through the pooler, and a URL of the server itself to listen with."""
    return pooled.model_copy(update={"direct_url": database_url})


@pytest.fixture
async def pooled_producer(pooled: QueueConfig) -> AsyncIterator[PgQueuerProducer]:
    async with PgQueuerProducer(pooled) as opened:
        yield opened


def database_of(config: QueueConfig) -> str:
    assert config.database_url is not None
    return config.database_url.rsplit("/", 1)[1]
