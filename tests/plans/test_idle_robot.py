"""How many statements a robot sends in a minute in which there is nothing to do: one of clocks that run faster, all of them."""

from __future__ import annotations

import asyncio
import re
import selectors
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import PgQueuerConsumer
from casare_rpa.infrastructure.queue.consuming import claiming, lifeline
from tests.faults.proxy import Proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    import asyncpg

    from casare_rpa.infrastructure.queue import QueueConfig

FASTER = 20
CLOCK = f"""
CREATE OR REPLACE FUNCTION pgqueuer.clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT timestamptz '{{began}}' + (clock_timestamp() - timestamptz '{{began}}') * {FASTER} $$
"""
MOST = {"upkeep": 62, "settle_and_claim": 17, "heartbeat": 5}
"""In a minute. Looks come every 3.75 to 5 s. The only robot does all the upkeep; of many, each only asks every few seconds whether
somebody does."""


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(database_url) as opened:
        yield opened


@pytest.fixture
async def let_time_fly(connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Let every clock run faster from now on; what waits for a reply gets as long as ever."""

    async def do() -> None:
        monkeypatch.setattr(lifeline, "SHORTEST_PATIENCE", 600.0)
        await connection.execute(CLOCK.format(began=await connection.fetchval("SELECT pgqueuer.clock()::text")))
        clock, began, select = time.monotonic, time.monotonic(), selectors.DefaultSelector.select

        def wait(self: Any, timeout: float | None = None) -> Any:
            return select(self, timeout and timeout / FASTER)

        monkeypatch.setattr(time, "monotonic", lambda: began + (clock() - began) * FASTER)
        monkeypatch.setattr(selectors.DefaultSelector, "select", wait)

    return do


def _function(statement: str) -> str:
    found = re.search(r'"?pgqueuer"?\.(\w+)\(', statement)
    return found[1] if found else statement


async def test_statements_of_an_idle_minute(
    config: QueueConfig,
    proxy: Proxy,
    let_time_fly: Callable[[], Any],
    record_statements: Callable[[str, int], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claiming, "CHEAP_SWEEP", claiming.CHEAP_SWEEP * FASTER)
    monkeypatch.setattr(claiming, "COMMAND_TIMEOUT", 600.0)
    monkeypatch.setattr(claiming, "SHORTEST_PATIENCE", 600.0)
    async with PgQueuerConsumer(config.model_copy(update={"database_url": proxy.url}), "idle") as robot:
        working = asyncio.create_task(robot.run(lambda _: asyncio.sleep(0)))
        await eventually(lambda: robot._lifeline.hears_of_jobs, why="the robot hears of jobs")
        await let_time_fly()
        await asyncio.sleep(20)  # until it looks as seldom as it ever does
        proxy.statements.clear()
        await asyncio.sleep(60)  # of the clocks that fly: seconds of everybody else
        counts = Counter(map(_function, proxy.statements))
        await robot.stop()
        await working

    assert counts.keys() == MOST.keys()
    for function, most in MOST.items():
        assert record_statements(function, counts[function]) <= most
