"""The shape of an error: what differs from case to case is folded, words stay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHAPES = {
    "ValueError: order 4711 is gone": "ValueError: order <n> is gone",
    "3 of 1,024.5 rows at -7 %": "<n> of <n> rows at -<n> %",
    "no file C:\\Users\\Ann\\x 1.pdf": "no file <path> <n>.pdf",
    "no file 'C:\\Program Files\\a b\\x1.pdf'!": "no file '<path>'!",
    '"\\\\server\\share\\a b.txt" is locked': '"<path>" is locked',
    "FileNotFoundError: [Errno 2] No such file: '/tmp/a b/7.txt'": "FileNotFoundError: [Errno <n>] No such file: '<path>'",
    "cannot read /var/data/2026/x.csv: denied": "cannot read <path>: denied",
    "cannot read ~/x.csv (or ./y/z, or ../q)": "cannot read <path> (or <path>, or <path>)",
    "GET https://erp.example.com:8443/orders/7?x=1, 503": "GET <path>, <n>",
    "it is either yes/no or a / b": "it is either yes/no or a / b",
    "job 01a20d1b-3079-7b34-a0d8-d9dbfe052e55 failed": "job <id> failed",
    "object at 0x7f3a2b": "object at <id>",
    "commit deadbeef01 and 9f86d081884c7d65 of cafe": "commit <id> and <id> of cafe",
    "session AbCdEf0123456789xyzQ ended": "session <id> ended",
    "at 2026-11-24T10:00:00.123+01:00 or 2026-11-24 or 10:11:12": "at <time> or <time> or <time>",
    "10.0.0.7:5432 refused": "<n>:<n> refused",
    "  \n\t first line   of \t two\nTraceback: line 7": "first line of two",
    "utf8 and sheet12": "utf<n> and sheet<n>",
    "": "",
    " \n ": "",
}


@pytest.mark.parametrize("error", SHAPES)
async def test_what_differs_is_folded_and_words_stay(connection: asyncpg.Connection, error: str) -> None:
    assert await connection.fetchval("SELECT pgqueuer.error_shape($1)", error) == SHAPES[error]


async def test_no_error_has_the_empty_shape(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval("SELECT pgqueuer.error_shape(NULL)") == ""


async def test_a_long_line_is_cut_to_200_characters(connection: asyncpg.Connection) -> None:
    for error in ("x" * 500, "ab " * 30_000, "1 " * 500_000, "/" * 100_000, "é" * 65_536):
        shape = await connection.fetchval("SELECT pgqueuer.error_shape($1)", error)
        assert len(shape) <= 200


MARKS = (
    r"/ \ : C:\ :// http ~ . .. ' < > <n> <path> <id> <time> 7 12:34:56 2026-11-24 T Z - + 0x af deadbeef 0123456789abcdef"
    " x _ ( ) [ , é ² ٣ 01a20d1b-3079-7b34-a0d8-d9dbfe052e55"
)
PIECES = st.sampled_from([*MARKS.split(" "), '"', " ", "  ", "\n", "\u00a0", "\u2028", "x" * 190])
ERRORS = st.one_of(
    st.lists(PIECES, max_size=40).map("".join),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
)


@pytest.fixture
async def shapes(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def test_a_shape_is_one_line_of_200_characters_at_most_whatever_the_text(shapes: asyncpg.Connection) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ERRORS)
    def check(error: str) -> None:
        asked = shapes.fetchval("SELECT pgqueuer.error_shape($1)", error)
        shape = asyncio.run_coroutine_threadsafe(asked, loop).result()
        assert len(shape) <= 200
        assert "\n" not in shape

    await asyncio.to_thread(check)


@pytest.mark.parametrize("shape", sorted(set(SHAPES.values())))
async def test_the_shape_of_an_ordinary_shape_is_itself(connection: asyncpg.Connection, shape: str) -> None:
    assert await connection.fetchval("SELECT pgqueuer.error_shape($1)", shape) == shape
