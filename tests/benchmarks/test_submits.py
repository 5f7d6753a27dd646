"""Jobs submitted one a call: as fast as calls return, or evenly at a rate."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.clients.common import UNDER_WAY, Submits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Calls:
    """A queue that takes its time, and sees what is under way."""

    def __init__(self, seconds: float, fails_on: int | None = None) -> None:
        self.seconds, self.fails_on = seconds, fails_on
        self.payloads: list[dict[str, object]] = []
        self.under_way = self.most = 0

    async def submit(self, payload: dict[str, object]) -> None:
        self.payloads.append(payload)
        number = len(self.payloads)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.seconds)
        self.under_way -= 1
        if number == self.fails_on:
            raise ConnectionError("gone")

    def bulk(self, payload: dict[str, object], jobs: int) -> Callable[[], Awaitable[object]]:
        raise NotImplementedError


async def test_a_flood_makes_as_many_calls_as_return_and_64_at_once():
    calls, submits, began = Calls(0.02), Submits({"text": "x"}), time.time()
    await submits.flood(calls, time.monotonic() + 0.1)
    assert calls.most == UNDER_WAY
    assert submits.sent == len(calls.payloads) >= 2 * UNDER_WAY
    assert (submits.late, submits.errors, calls.under_way) == (0, 0, 0)
    assert all(began <= float(str(payload["sent"])) <= time.time() for payload in calls.payloads)


async def test_an_error_is_counted_and_the_flood_goes_on():
    calls, submits = Calls(0.001, fails_on=3), Submits({})
    await submits.flood(calls, time.monotonic() + 0.05)
    assert submits.errors == 1
    assert submits.sent == len(calls.payloads) - 1 > UNDER_WAY


async def _offer(calls: Calls, rate: float, number: int) -> Submits:
    submits = Submits({})
    async with asyncio.TaskGroup() as group:
        await submits.offer(calls, group, time.monotonic(), rate, number)
        assert calls.under_way == 0, "it returned while calls were under way"
    return submits


async def test_an_offer_takes_its_time():
    calls, began = Calls(0.001), time.monotonic()
    submits = await _offer(calls, 200, 20)
    assert time.monotonic() - began >= 19 / 200
    assert submits.sent + submits.late == 20
    assert submits.sent == len(calls.payloads) > 0


async def test_what_finds_no_place_is_late_and_not_submitted():
    calls = Calls(0.5)
    submits = await _offer(calls, 10_000, 100)
    assert calls.most == UNDER_WAY == submits.sent
    assert submits.late == 100 - UNDER_WAY
