"""Sessions whose plans are settled, and a table of what was measured, shown with ``-v``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.plans.filled import SIZES
from tests.plans.measure import hold_off_upkeep, warm_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FIGURE = "buffers"
EARLY, LATE = "buffers, early plans", "buffers, late plans"
COST, ESTIMATES, LOG, STATEMENTS = "cost of a database", "estimates", "bytes of log", "statements"
_OF_SIZES = f"{'shared buffers of a call with so many jobs waiting':<52}" + "".join(f"{size:>10,}" for size in SIZES)
SECTIONS = {
    FIGURE: "shared buffers of a call",
    EARLY: f"plans made while there was nothing\n{_OF_SIZES}",
    LATE: f"plans made for what there is\n{_OF_SIZES}",
    ESTIMATES: "what list_queues says of a million jobs: counted ~ estimated",
    COST: "what the databases took",
    LOG: "bytes of write-ahead log of a job",
    STATEMENTS: "statements of an idle robot in a minute",
}


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


@pytest.fixture
def record_sizes(record_property: Callable[[str, object], None]) -> Callable[[str, str, list[int]], None]:
    """Remember what a call cost at each size for the table."""

    def remember(plans: str, call: str, buffers: list[int]) -> None:
        record_property(plans, f"{call:<52}" + "".join(f"{each:>10,}" for each in buffers))

    return remember


@pytest.fixture
def record_log(record_property: Callable[[str, object], None]) -> Callable[[str, int], int]:
    """Remember how many bytes of log a job costs for the table, and return it."""

    def remember(step: str, log_bytes: int) -> int:
        record_property(LOG, f"{step:<32} {log_bytes:>6,}")
        return log_bytes

    return remember


@pytest.fixture
def record_statements(record_property: Callable[[str, object], None]) -> Callable[[str, int], int]:
    """Remember how often an idle robot calls a function for the table, and return it."""

    def remember(function: str, calls: int) -> int:
        record_property(STATEMENTS, f"{function:<32} {calls:>6,}")
        return calls

    return remember


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.get_verbosity() < 1:
        return
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    found = [each for report in reports if report.when == "call" for each in report.user_properties]
    for section, title in SECTIONS.items():
        if lines := [str(line) for name, line in found if name == section]:
            terminalreporter.section(title)
            terminalreporter.write_line("\n".join(lines))
