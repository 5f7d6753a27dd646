"""Sessions whose plans are settled, and a table of what was measured, shown with ``-v``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.plans import figures
from tests.plans.measure import hold_off_upkeep, warm_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = figures.table()
    if lines and config.get_verbosity() > 0:
        terminalreporter.section("shared buffers of a call")
        terminalreporter.write_line("\n".join(lines))
