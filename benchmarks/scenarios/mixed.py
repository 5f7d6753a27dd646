"""(g) Jobs of all priorities, some deferred, behind 5,000 that no robot can do; against a plain load in the same minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import enqueue, installed, saturate_in
from benchmarks.plan import SHAPES
from benchmarks.report import Key
from benchmarks.scenarios.cost import note

if TYPE_CHECKING:
    from benchmarks.run import Run
    from benchmarks.systems import System

UNFIT = 5000


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
            enqueue=shape.enqueue,
            consumers=shape.consumers,
            claim=shape.claim,
            seconds=plan.seconds,
            warmup=plan.warmup,
            mixed=mixed or None,
        )
        note(run.report, scenario, system.name, measured, turn)
        run.say(f"{scenario}, {system.name}: {measured.answer.rate or 0:,.0f} jobs/s")
