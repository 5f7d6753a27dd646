from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import QueueConfig, migrate
from tests.conftest import execute, with_database
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that may be killed, with the durability that servers have by default."""
    with EmbeddedPostgres() as running:
        yield running


@pytest.fixture
async def own_config(own_server: EmbeddedPostgres) -> AsyncIterator[QueueConfig]:
    """The queue in a new database of the server that may be killed."""
    name = f"own_{next(_numbers)}"
    await execute(own_server.url, f"CREATE DATABASE {name}")
    config = QueueConfig(
        database_url=with_database(own_server.url, name), connection_pool_size=3, outage_patience=60, poll_interval=0.1
    )
    await migrate(config)
    yield config
    await execute(own_server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A link to the test's database that can be broken."""
    async with Proxy(database_url) as opened:
        yield opened


@pytest.fixture
def through_proxy(config: QueueConfig, proxy: Proxy) -> QueueConfig:
    return config.model_copy(update={"database_url": proxy.url})
