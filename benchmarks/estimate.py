"""About how long a run takes, from its plan: said before it starts. The figures are those of two quiet cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.plan import Plan

AROUND = 2.5
"""Seconds for each measurement beside its window: a database, a client's start, the backlog before and the drain after."""
AROUND_FLEET = 6.0
"""The same for a hundred robots: their start, the end of what was sent, their stop."""
FILLED = 18.0
"""To fill the queues of `backlog`, and to claim from them."""
RECOVERY = 60.0
"""Until autovacuum has come and gone."""
DEFERRAL = 3.0
PER_PROCESS = 0.5
RATES = {"procrastinate": 400, "oban": 1500, "chancy": 1500, "awa": 2400, "graphile-worker": 2000}
USUAL_RATE = 20_000
"""Jobs per second at which waiting jobs are done, where it is not one of the above."""


def estimate(plan: Plan, only: Iterable[str], systems: Iterable[str]) -> float:
    """Return the seconds that these scenarios take with these systems, also if some of them turn out to be missing."""
    wanted = frozenset(systems)
    found = {
        "saturation": _saturation(plan, wanted),
        "drain": _drain(plan, wanted),
        "fleet": _fleet(plan, wanted),
        "idle": _idle(plan, wanted),
        "backlog": FILLED if "casare" in wanted else 0,
        "snapshot": _snapshot(plan) if "casare" in wanted else 0,
        "mixed": 2 * plan.mixed_rounds * (DEFERRAL + plan.seconds + AROUND) if "casare" in wanted else 0,
        "payloads": len(plan.payload_bytes)
        * _count(plan.payload_systems, wanted)
        * (plan.warmup + plan.payload_seconds + AROUND),
        "processes": _count(plan.process_systems, wanted)
        * sum(plan.warmup + plan.process_seconds + AROUND + PER_PROCESS * number for number in plan.processes),
    }
    return sum(found[name] for name in only)


def _count(names: Iterable[str], wanted: frozenset[str]) -> int:
    return len(wanted.intersection(names))


def _saturation(plan: Plan, wanted: frozenset[str]) -> float:
    often = plan.rounds * (plan.warmup + plan.seconds + AROUND)
    once = plan.warmup + plan.once_seconds + AROUND
    return sum(often * _count(part.often, wanted) + once * _count(part.once, wanted) for part in plan.saturation)


def _drain(plan: Plan, wanted: frozenset[str]) -> float:
    def seconds(jobs: int, name: str) -> float:
        return AROUND + jobs / RATES.get(name, USUAL_RATE) if name in wanted else 0

    often = sum(seconds(plan.drain_jobs, name) for name in plan.drain_often)
    return plan.rounds * often + sum(seconds(plan.drain_once_jobs, name) for name in plan.drain_once)


def _fleet(plan: Plan, wanted: frozenset[str]) -> float:
    total, fleets = 0.0, wanted.intersection(plan.fleet_systems)
    for name in fleets:
        loads = plan.fleet_loads if name == "casare" else plan.fleet_peer_loads
        total += AROUND_FLEET + plan.fleet_capacity_seconds + sum(load.seconds for load in loads)
        if plan.fleet_common_seconds and len(fleets) > 1:
            total += AROUND_FLEET + plan.fleet_common_seconds
    return total


def _idle(plan: Plan, wanted: frozenset[str]) -> float:
    watches = [plan.idle if name == "casare" else plan.idle_peers for name in wanted.intersection(plan.idle_systems)]
    return sum(AROUND_FLEET + watch.settle + watch.seconds for watch in watches)


def _snapshot(plan: Plan) -> float:
    return 2 * (plan.warmup + plan.snapshot_seconds + AROUND) + (RECOVERY if plan.snapshot_recovery else 0)
