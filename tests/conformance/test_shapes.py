"""Errors have the same shape in SQL and in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from casare_rpa.infrastructure.queue import QueueConfig, migrate
from casare_rpa.orchestrator.memory.shapes import error_shape
from casare_rpa.testing.databases import database
from tests.infrastructure.test_error_shape import ERRORS, SHAPES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.embedded import EmbeddedPostgres


@pytest.mark.parametrize("error", SHAPES)
def test_what_differs_is_folded_and_words_stay(error: str) -> None:
    assert error_shape(error) == SHAPES[error]


def test_no_error_has_the_empty_shape() -> None:
    assert error_shape(None) == ""


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def elsewhere(server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """A database whose locale knows the letters and the spaces of all languages."""
    with database(server.url, "letters") as url:
        administrator = await asyncpg.connect(server.url)
        name = url.rsplit("/", 1)[-1].split("?")[0]
        await administrator.execute(f'DROP DATABASE "{name}"')
        builtin = "LOCALE_PROVIDER builtin" if administrator.get_server_version() >= (17,) else ""
        await administrator.execute(
            f"""CREATE DATABASE "{name}" TEMPLATE template0 ENCODING 'UTF8' {builtin} LOCALE 'C.UTF-8'"""
        )
        await administrator.close()
        await migrate(QueueConfig(database_url=url))
        opened = await asyncpg.connect(url)
        yield opened
        await opened.close()


FOREIGN = [
    "é12345678ab",
    "Fehler ü1a2b3c4d5e6f7",
    "Datei\u00a0/tmp/x fehlt",
    "x\u2003/a/b",
    "\u2003\u00a0",
    "a\u00a0",
    "٣ of ٤",
]


async def test_a_shape_does_not_depend_on_the_locale_of_the_database(
    elsewhere: asyncpg.Connection, connection: asyncpg.Connection
) -> None:
    assert await elsewhere.fetchval("SELECT 'é' ~ '\\w'"), "its locale knows letters"
    for error in FOREIGN:
        expected = error_shape(error)
        for database_of in (elsewhere, connection):
            assert await database_of.fetchval("SELECT pgqueuer.error_shape($1)", error) == expected


async def test_both_say_the_same_whatever_the_text(connected: asyncpg.Connection) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ERRORS)
    def check(error: str) -> None:
        asked = connected.fetchval("SELECT pgqueuer.error_shape($1)", error)
        assert error_shape(error) == asyncio.run_coroutine_threadsafe(asked, loop).result()

    await asyncio.to_thread(check)
