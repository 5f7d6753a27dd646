"""Errors have the same shape in SQL and in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from casare_rpa.orchestrator.memory.shapes import error_shape
from tests.infrastructure.test_error_shape import ERRORS, SHAPES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ORDINARY = set(map(chr, range(1, 128)))


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


def plain(error: str) -> str:
    """What is a space and what a letter beyond this depends on the collation of the database."""
    return "".join(character for character in error if character in ORDINARY)


async def test_both_say_the_same_whatever_the_text(connected: asyncpg.Connection) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ERRORS.map(plain))
    def check(error: str) -> None:
        asked = connected.fetchval("SELECT pgqueuer.error_shape($1)", error)
        assert error_shape(error) == asyncio.run_coroutine_threadsafe(asked, loop).result()

    await asyncio.to_thread(check)
