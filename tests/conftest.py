"""Fixtures of the whole suite: one real server for the session, a migrated database of its own for every test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from blockbuster import blockbuster_ctx

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig, migrate
from tests.clock import FrozenClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# A runner that starts us in the background has Ctrl-C ignored, and every program we start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.plugins.skips"]

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, where Linux has one
_numbers = itertools.count(1)


def with_database(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


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


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """The session's server, in memory where that is possible: no test of the session pulls its plug."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**30:
        tempfile.tempdir = str(MEMORY)
    with EmbeddedPostgres(settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}) as running:
        tempfile.tempdir = None
        yield running


@pytest.fixture(scope="session")
def template_database(server: EmbeddedPostgres) -> str:
    """The name of a migrated database to copy."""

    async def make() -> None:
        await execute(server.url, "CREATE DATABASE casare_template")
        await migrate(QueueConfig(database_url=with_database(server.url, "casare_template")))

    asyncio.run(make())
    return "casare_template"


@pytest.fixture
async def empty_database_url(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database without the schema."""
    name = f"test_{next(_numbers)}"
    await execute(server.url, f"CREATE DATABASE {name}")
    yield with_database(server.url, name)
    await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """A migrated database of this test's own, reached as the server's owner."""
    name = f"test_{next(_numbers)}"
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield with_database(server.url, name)
    await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def config(database_url: str) -> QueueConfig:
    return QueueConfig(database_url=database_url, connection_pool_size=3, outage_patience=10, shutdown_grace=5)


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
