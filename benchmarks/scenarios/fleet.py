"""A fleet of 100 robots of 3 slots in 4 processes: how fast it goes, and how long jobs wait and run at part of that rate.

First two processes enqueue by 20 for a quarter of the time that the plan gives to a share, which says what rate the fleet sustains;
then two processes submit one job a call at shares of it. Where they do not reach what is offered, the rows say what they reached.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.client import Client
from benchmarks.measure import Refused, check
from benchmarks.order import Answer, Order
from benchmarks.robots import Pair, working
from benchmarks.systems import install

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.run import Run
    from benchmarks.systems import Counting, System

SCENARIO = "fleet"
SUBMITTERS = 2
BATCH = 20
FIRST = 1000
"""Jobs that the fleet does before its rate is measured: they say how many that takes."""
QUANTILES = (50, 95, 99)

_LIMIT = 60.0
"""Seconds for a submitter beside those of its order, and for the fleet to do one more job."""


@dataclass(frozen=True)
class Offer:
    """What was offered, and when."""

    share: float
    rate: float
    sent: int
    late: int
    seconds: float
    since: float
    until: float


def measure(run: Run) -> None:
    """Measure the fleets of the plan's systems, one after another."""
    for system in run.systems(run.plan.fleet_systems):
        with run.attempt(SCENARIO, system):
            _measure_system(run, system)


def _measure_system(run: Run, system: System) -> None:
    seconds, shares = run.plan.fleet_seconds, run.plan.fleet_shares
    with run.server.database(f"fleet_{system.name}") as url:
        counting = install(system, url)
        with working(system, url, (1 + len(shares)) * (seconds + 2 * _LIMIT)) as fleet:
            queue = Queue(system, url, counting)
            queue.rush(FIRST)
            rate = queue.rush(int(queue.rush(FIRST) * seconds / 4))
            offers = [queue.offer(share, share * rate, seconds) for share in shares]
            answer = fleet.stop()
        check(answer, queue.sent, counting.terminal(url), counting.left(url))
    run.report.add(SCENARIO, system.name, "rate", rate, "jobs/s")
    run.say(f"{SCENARIO}, {system.name}: {rate:,.0f} jobs/s")
    for offer in offers:
        _note(run, system, offer, answer)


class Queue:
    """A queue that a fleet empties, seen from who fills it."""

    def __init__(self, system: System, url: str, counting: Counting) -> None:
        self._system, self._url, self._counting = system, url, counting
        self.sent = 0

    def rush(self, jobs: int) -> float:
        """Enqueue so many jobs as fast as that goes, and return how many ended per second until all had."""
        each = max(BATCH, jobs // SUBMITTERS // BATCH * BATCH)
        order = Order(do="enqueue", url=self._url, jobs=each, batch=BATCH)
        with ExitStack() as stack:
            clients = [stack.enter_context(self._client(order, 2 * _LIMIT)) for _ in range(SUBMITTERS)]
            begins = []
            for client in clients:
                answer = Answer.from_event(client.wait_for("answer"))
                begins.append(time.monotonic() - (answer.seconds or 0))
        self.sent += SUBMITTERS * each
        self._wait_until_done()
        return SUBMITTERS * each / (time.monotonic() - min(begins))

    def offer(self, share: float, rate: float, seconds: float) -> Offer:
        """Submit jobs one at a time at this rate, and wait until all have ended."""
        since = time.time()
        order = Order(do="submit", url=self._url, rate=rate / SUBMITTERS, seconds=seconds)
        with ExitStack() as stack:
            clients = [stack.enter_context(self._client(order, seconds + _LIMIT)) for _ in range(SUBMITTERS)]
            answers = [client.answer() for client in clients]
        if errors := sum(answer.errors or 0 for answer in answers):
            raise Refused(f"{errors} errors of submitters at {share:.0%}")
        sent = sum(answer.sent or 0 for answer in answers)
        late = sum(answer.late or 0 for answer in answers)
        self.sent += sent
        self._wait_until_done()
        took = max(answer.seconds or 0 for answer in answers)
        return Offer(share, rate, sent, late, took, since, time.time())

    def _client(self, order: Order, limit: float) -> Client:
        return Client(self._system.argv, self._system.order(order), limit)

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
            elif time.monotonic() - moved > _LIMIT:
                raise Refused(f"{left} jobs are left, and none ended for {_LIMIT:.0f} s")

    def _left(self) -> int:
        left = self._counting.left(self._url)
        if left is not None:
            return left
        return self.sent - (self._counting.terminal(self._url) or 0)


def _note(run: Run, system: System, offer: Offer, answer: Answer) -> None:
    scenario = f"fleet at {offer.share:.0%}"
    claims = _of(answer.claim_ms, offer)
    if claims is None or len(claims) != offer.sent:
        found = "no" if claims is None else len(claims)
        raise Refused(f"at {offer.share:.0%}, {offer.sent} jobs were submitted and {found} claims were timed")
    figures = [
        ("offered", offer.rate, "jobs/s"),
        ("reached", offer.sent / offer.seconds, "jobs/s"),
        ("late", offer.late, "jobs"),
    ]
    figures += [(f"claim p{each}", quantile(claims, each), "ms") for each in QUANTILES]
    if (dones := _of(answer.done_ms, offer)) is not None:
        figures += [(f"done p{each}", quantile(dones, each), "ms") for each in QUANTILES]
    for metric, value, unit in figures:
        run.report.add(scenario, system.name, metric, value, unit)
    run.say(
        f"{scenario}, {system.name}: " + ", ".join(f"{metric} {value:,.1f} {unit}" for metric, value, unit in figures)
    )


def _of(pairs: list[Pair] | None, offer: Offer) -> list[float] | None:
    """Return the milliseconds of those jobs that were submitted then, in order."""
    if pairs is None:
        return None
    return sorted(ms for sent, ms in pairs if offer.since <= sent <= offer.until)


def quantile(ordered: Sequence[float], per_cent: int) -> float:
    """Return the smallest value that so many per cent do not exceed."""
    return ordered[max(0, -(-len(ordered) * per_cent // 100) - 1)]
