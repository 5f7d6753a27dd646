"""A fleet of 100 robots of 3 slots in 4 processes: what it sustains, and how long jobs wait and run at part of that rate.

First two processes submit one job a call, as fast as their calls return: what ends per second in the second half of that is what
the fleet sustains. It is measured with what is then offered, as jobs that come one by one cost far more than jobs in batches. Then
the same two processes offer shares of it, evenly. Latencies of a load that was not reached say nothing, and are refused. At last
all systems are offered one common rate, low enough for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.load import LIMIT, Offer, Queue
from benchmarks.measure import Refused, check, installed
from benchmarks.robots import working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.order import Answer
    from benchmarks.plan import Load
    from benchmarks.robots import Pair
    from benchmarks.run import Run
    from benchmarks.systems import System

SCENARIO = "fleet"
COMMON = "fleet at common rate"
QUANTILES = (50, 95, 99)
REACHED = 0.97
"""The part of an offered rate below which latencies are those of another load."""
OF_OURS, OF_SLOWEST = 0.25, 0.5
"""The common rate: the lesser of these parts of what ours and what the slowest sustain."""


def measure(run: Run) -> None:
    """Measure the fleets of the plan's systems, one after another, then each at one rate that all of them sustain."""
    plan, rates = run.plan, {}
    systems = run.systems(plan.fleet_systems)
    for system in systems:
        with run.attempt(SCENARIO, system):
            loads = plan.fleet_loads if system.name == "casare" else plan.fleet_peer_loads
            rates[system.name] = _sustain(run, system, loads)
    if plan.fleet_common_seconds and len(rates) > 1:
        rate = common_rate(rates)
        for system in systems:
            if system.name in rates:
                with run.attempt(COMMON, system):
                    _offer_common(run, system, rate)


def common_rate(rates: dict[str, float]) -> float:
    """Return a rate that every fleet carries with ease, from what each of them sustains."""
    peers = [OF_SLOWEST * rate for name, rate in rates.items() if name != "casare"]
    return min(peers + [OF_OURS * rate for name, rate in rates.items() if name == "casare"])


def _sustain(run: Run, system: System, loads: Sequence[Load]) -> float:
    """Measure what a fleet sustains and its latencies at shares of that; return the rate."""
    capacity = run.plan.fleet_capacity_seconds
    limit = capacity + sum(load.seconds for load in loads) + (1 + len(loads)) * 2 * LIMIT
    with installed(run.server, system) as (url, counting):
        with working(system, url, limit) as fleet:
            queue = Queue(system, url, counting)
            submitted, rate = queue.flood(fleet, capacity)
            if not rate:
                raise Refused(f"no job ended in the second half of {capacity:.0f} s")
            offers = [(load.share, queue.offer(load.share * rate, load.seconds)) for load in loads]
            answer = fleet.stop()
        check(answer, queue.sent, counting.terminal(url), counting.left(url))
    run.report.add(SCENARIO, system.name, "rate", rate, "jobs/s")
    run.report.add(SCENARIO, system.name, "submitted", submitted, "jobs/s")
    run.say(f"{SCENARIO}, {system.name}: {rate:,.0f} jobs/s, of {submitted:,.0f} submitted")
    for share, offer in offers:
        scenario = f"{SCENARIO} at {share:.0%}"
        with run.attempt(scenario, system):
            _note(run, scenario, system, offer, answer)
    return rate


def _offer_common(run: Run, system: System, rate: float) -> None:
    seconds = run.plan.fleet_common_seconds
    with installed(run.server, system) as (url, counting):
        with working(system, url, seconds + 2 * LIMIT) as fleet:
            queue = Queue(system, url, counting)
            offer = queue.offer(rate, seconds)
            answer = fleet.stop()
        check(answer, queue.sent, counting.terminal(url), counting.left(url))
    _note(run, COMMON, system, offer, answer)


def _note(run: Run, scenario: str, system: System, offer: Offer, answer: Answer) -> None:
    """Note what was offered, and latencies where they are those of that."""
    reached = [
        ("offered", offer.rate, "jobs/s"),
        ("reached", offer.reached, "jobs/s"),
        ("late", offer.late, "jobs"),
    ]
    for metric, value, unit in reached:
        run.report.add(scenario, system.name, metric, value, unit)
    latencies = latencies_of(offer, answer)
    for metric, value in latencies:
        run.report.add(scenario, system.name, metric, value, "ms")
    texts = [f"{metric} {value:,.1f} {unit}" for metric, value, unit in reached]
    run.say(
        f"{scenario}, {system.name}: " + ", ".join(texts + [f"{name} {value:,.1f} ms" for name, value in latencies])
    )


def latencies_of(offer: Offer, answer: Answer) -> list[tuple[str, float]]:
    """Return the quantiles of the milliseconds until the jobs of an offer were claimed, and were done where that is known.

    Raises:
        Refused: the load was less than the offer, or not every job's claim was timed.

    """
    if offer.reached < REACHED * offer.rate:
        raise Refused(
            f"{offer.reached:,.0f} of {offer.rate:,.0f} jobs/s were reached ({offer.reached / offer.rate:.0%}), "
            f"less than {REACHED:.0%}: latencies of another load"
        )
    claims, dones = _of(answer.claim_ms, offer), _of(answer.done_ms, offer)
    if claims is None or len(claims) != offer.sent:
        found = "no" if claims is None else len(claims)
        raise Refused(f"{offer.sent} jobs were submitted and {found} claims were timed")
    found_of = {"claim": claims} | ({"done": dones} if dones else {})
    return [(f"{what} p{each}", quantile(values, each)) for what, values in found_of.items() for each in QUANTILES]


def _of(pairs: list[Pair] | None, offer: Offer) -> list[float] | None:
    """Return the milliseconds of those jobs that were submitted then, in order."""
    if pairs is None:
        return None
    return sorted(ms for sent, ms in pairs if offer.since <= sent <= offer.until)


def quantile(ordered: Sequence[float], per_cent: int) -> float:
    """Return the smallest value that so many per cent do not exceed."""
    return ordered[max(0, -(-len(ordered) * per_cent // 100) - 1)]
