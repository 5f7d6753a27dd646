"""(g) Jobs of all priorities, some deferred, behind 5,000 that no robot can do; against a plain load in the same minute.

Both loads have the same backlog. It is longer than that of a saturation, and the warm-up of both as long as the longest deferral:
else jobs that are not due would be most of what waits, and feeders that pause, not the queue, would make the rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import enqueue, installed, saturate_in
from benchmarks.plan import SHAPES
from benchmarks.report import Key
from benchmarks.scenarios.cost import note
from benchmarks.server import query

if TYPE_CHECKING:
    from benchmarks.run import Run
    from benchmarks.systems import System

UNFIT = 5000
BACKLOG = 8000
LONGEST_DEFERRAL = 3.0
ROUTES = "SELECT count(DISTINCT route_id) FROM pgqueuer.routes"


def measure(run: Run) -> None:
    """Measure a plain and a mixed load in turn."""
    for turn in range(run.plan.mixed_rounds):
        for system in run.systems(["casare"]):
            for scenario in ("plain", "mixed"):
                _measure_one(run, system, scenario, turn)
    run.report.set_ratio("mixed_vs_plain", Key("mixed", "casare", "rate"), Key("plain", "casare", "rate"))


def _measure_one(run: Run, system: System, scenario: str, turn: int) -> None:
    shape, plan, mixed = SHAPES["claim10"], run.plan, scenario == "mixed"
    with run.attempt(scenario, system), installed(run.server, system) as (url, counting):
        if mixed:
            enqueue(system, url, UNFIT, unfit=True)
        measured = saturate_in(
            run.server,
            system,
            url,
            counting,
            **shape._asdict(),
            backlog=BACKLOG,
            seconds=plan.seconds,
            warmup=LONGEST_DEFERRAL,
            mixed=mixed or None,
        )
        note(run, scenario, system.name, measured, turn)
        routes = int(query(url, ROUTES)[0][0])
        run.report.add(scenario, system.name, "routes", routes, "routes", turn)
        run.say(f"{scenario}, {system.name}: {routes} routes")
