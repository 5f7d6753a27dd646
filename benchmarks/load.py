"""The load on a fleet: two processes that submit one job a call, and the queue that it empties, seen from who fills it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.client import Client
from benchmarks.measure import Refused
from benchmarks.order import Answer, Order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.robots import Fleet
    from benchmarks.systems import Counting, System

SUBMITTERS = 2
LIMIT = 60.0
"""Seconds for a submitter beside those of its order, and for the fleet to do one more job."""
COUNTED = (0.5, 0.9)
"""The part of a flood in which what ends is counted: its second half, but for the end, as one submitter ends before the other."""


@dataclass(frozen=True)
class Offer:
    """What was offered, and when."""

    rate: float
    sent: int
    late: int
    seconds: float
    since: float
    until: float

    @property
    def reached(self) -> float:
        """Jobs submitted per second."""
        return self.sent / self.seconds


class Queue:
    """A queue that a fleet empties, seen from who fills it."""

    def __init__(self, system: System, url: str, counting: Counting) -> None:
        self._system, self._url, self._counting = system, url, counting
        self.sent = 0

    def flood(self, fleet: Fleet, seconds: float) -> tuple[float, float]:
        """Submit jobs as fast as the calls return, and wait until all have ended.

        Returns jobs per second: those submitted, and those ended in the second half, which is less where the queue grew.
        """
        with self._submitting(None, seconds) as clients:
            began = time.monotonic()
            counts = []
            for part in COUNTED:
                time.sleep(max(0.0, began + part * seconds - time.monotonic()))
                counts.append((fleet.ended(), time.monotonic()))
            answers = self._answers(clients)
        self._wait_until_done()
        (first, since), (last, until) = counts
        submitted = sum((answer.sent or 0) / (answer.seconds or seconds) for answer in answers)
        return submitted, (last - first) / (until - since)

    def offer(self, rate: float, seconds: float) -> Offer:
        """Submit jobs evenly at this rate, and wait until all have ended."""
        since = time.time()
        with self._submitting(rate / SUBMITTERS, seconds) as clients:
            answers = self._answers(clients)
        self._wait_until_done()
        sent, late = (
            sum(counts) for counts in zip(*((each.sent or 0, each.late or 0) for each in answers), strict=True)
        )
        took = max(answer.seconds or 0 for answer in answers)
        return Offer(rate, sent, late, took, since, time.time())

    @contextmanager
    def _submitting(self, rate: float | None, seconds: float) -> Iterator[list[Client]]:
        """Start the submitters, and yield them when the last has begun."""
        order = self._system.order(Order(do="submit", url=self._url, rate=rate, seconds=seconds))
        with ExitStack() as stack:
            started = [Client(self._system.argv, order, seconds + LIMIT) for _ in range(SUBMITTERS)]
            clients = [stack.enter_context(client) for client in started]
            for client in clients:
                client.wait_for("window")
            yield clients

    def _answers(self, clients: list[Client]) -> list[Answer]:
        answers = [client.answer() for client in clients]
        if errors := sum(answer.errors or 0 for answer in answers):
            raise Refused(f"{errors} errors of submitters")
        self.sent += sum(answer.sent or 0 for answer in answers)
        return answers

    def _wait_until_done(self) -> None:
        """Ask the database seldom while much is left: its answer costs what the fleet could use."""
        first, began = self._left(), time.monotonic()
        left, moved = first, began
        while left:
            speed = (first - left) / (time.monotonic() - began) if left < first else 0.0
            time.sleep(min(1.0, max(0.02, left / speed / 2)) if speed else 0.05)
            now = self._left()
            if now != left:
                left, moved = now, time.monotonic()
            elif time.monotonic() - moved > LIMIT:
                raise Refused(f"{left} jobs are left, and none ended for {LIMIT:.0f} s")

    def _left(self) -> int:
        left = self._counting.left(self._url)
        if left is not None:
            return left
        return self.sent - (self._counting.terminal(self._url) or 0)
