"""Fixtures of the whole suite: one real server for the session, a migrated database of its own for every test."""

from __future__ import annotations

import itertools
import logging
import signal
from typing import TYPE_CHECKING

import asyncpg
import pytest
import structlog
from blockbuster import blockbuster_ctx

from casare_rpa.infrastructure.queue import PgQueuerProducer
from casare_rpa.infrastructure.telemetry.logging_setup import HANDLER
from casare_rpa.testing.databases import database, execute, with_database
from tests.clock import FrozenClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from casare_rpa.embedded import EmbeddedPostgres
    from casare_rpa.infrastructure.queue import QueueConfig

# A runner that starts us in the background has Ctrl-C ignored, and every program we start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["casare_rpa.testing.plugin", "tests.plugins.skips"]
__all__ = ["execute", "with_database"]

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which our own code blocks the event loop; one whose handler must block is marked `blocks_the_loop`."""
    if request.node.get_closest_marker("blocks_the_loop"):
        yield
        return
    with blockbuster_ctx("casare_rpa.infrastructure") as detector:
        for function in detector.functions.values():
            function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_arguments")  # looks for certificates
            function.can_block_in("postgres/migrator.py", {"numbered_migrations", "function_files"})  # reads its SQL
        yield


@pytest.fixture(autouse=True)
def logging_is_put_back() -> Iterator[None]:
    """Undo what `configure_logging` did to this process, in a test or in a command that a test called."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [each for each in root.handlers if each.get_name() == HANDLER]:
        root.removeHandler(handler)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def server(casare_server: EmbeddedPostgres) -> EmbeddedPostgres:
    """The session's server: no test of the session pulls its plug."""
    return casare_server


@pytest.fixture(scope="session")
def template_database(casare_template_database: str) -> str:
    """The name of a migrated database to copy."""
    return casare_template_database


@pytest.fixture
def empty_database_url(server: EmbeddedPostgres) -> Iterator[str]:
    """A database without the schema."""
    with database(server.url, f"empty_{next(_numbers)}") as url:
        yield url


@pytest.fixture
def database_url(casare_database_url: str) -> str:
    """A migrated database of this test's own, reached as the server's owner."""
    return casare_database_url


@pytest.fixture
def config(casare_config: QueueConfig) -> QueueConfig:
    return casare_config


@pytest.fixture
async def producer(config: QueueConfig) -> AsyncIterator[PgQueuerProducer]:
    async with PgQueuerProducer(config) as opened:
        yield opened


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection of the server's owner, to look and to act behind the library's back."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def clock(connection: asyncpg.Connection) -> FrozenClock:
    """The database's clock, stopped; it moves when the test says so."""
    frozen = FrozenClock(connection)
    await frozen.freeze()
    return frozen
