"""Sessions whose plans are settled, and a table of what was measured, shown with ``-v``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.plans.measure import hold_off_upkeep, warm_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FIGURE = "buffers"


@pytest.fixture
async def warm(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A session that has called everything often enough to keep its plans, made while there were next to no jobs."""
    await warm_up(connection)
    await hold_off_upkeep(connection)
    return connection


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A second session."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def record(record_property: Callable[[str, object], None]) -> Callable[[str, str, int], int]:
    """Remember a figure for the table, and return it."""

    def remember(call: str, state: str, buffers: int) -> int:
        record_property(FIGURE, f"{call:<32} {state:<52} {buffers:>6}")
        return buffers

    return remember


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.get_verbosity() < 1:
        return
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    lines = [
        line for report in reports if report.when == "call" for name, line in report.user_properties if name == FIGURE
    ]
    if lines:
        terminalreporter.section("shared buffers of a call")
        terminalreporter.write_line("\n".join(lines))
