"""A server for a test session, and databases on it, made and dropped from code that is not async."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import QueueConfig, migrate

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

T = TypeVar("T")

SPEED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For data that nobody misses after a power cut."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, where Linux has one
_ENOUGH = 3 * 2**30


@contextmanager
def throw_away_server() -> Iterator[EmbeddedPostgres]:
    """Run a server without durability, in memory where that is possible, until the block ends.

    Raises:
        EmbeddedPostgresError: there are no programs of PostgreSQL, or they do not start.

    """
    before = tempfile.tempdir
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH:
        tempfile.tempdir = str(_MEMORY)
    try:
        server = EmbeddedPostgres(settings=SPEED)
        server.start()
    finally:
        tempfile.tempdir = before
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def database(server_url: str, name: str, template: str | None = None) -> Iterator[str]:
    """Create a database, a copy of `template` if one is named, yield its URL, and drop it."""
    copied = f' TEMPLATE "{template}"' if template else ""
    wait_for(execute(server_url, f'CREATE DATABASE "{name}"{copied}'))
    try:
        yield with_database(server_url, name)
    finally:
        wait_for(execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def migrated_database(server_url: str, name: str) -> Iterator[str]:
    """Create a database with the queue's schema, to copy; yield its name, and drop it."""
    with database(server_url, name) as url:
        wait_for(migrate(QueueConfig(database_url=url)))
        yield name


def with_database(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def execute(url: str, *statements: str) -> None:
    """Run statements, each for itself, on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread, whether or not an event loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
