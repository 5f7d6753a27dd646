"""Advice is SQL that people copy: names in it are quoted, whatever they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue.doctor.words import duration, identifier, listed, literal, size

if TYPE_CHECKING:
    import asyncpg

NASTY = "a'b\"c; DROP TABLE x; --"


async def test_names_and_texts_are_quoted(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval(f"SELECT {literal(NASTY)}") == NASTY
    row = await connection.fetchrow(f"SELECT 1 AS {identifier(NASTY)}")
    assert list(row.keys()) == [NASTY]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (61, "61 s"), (180, "3 min"), (7300, "2 h"), (1e6, "12 d")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_sizes_and_lists() -> None:
    assert [size(n) for n in (7, 2048, 3 << 20, 5 << 30)] == ["7 bytes", "2 kB", "3 MB", "5.0 GB"]
    assert listed("abc", 2) == "a, b and 1 more"
    assert listed([]) == ""
