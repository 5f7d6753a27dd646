"""(a) Whole job lives per second while jobs come as fast as they go; (i) what each costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import saturate
from benchmarks.plan import SHAPES
from benchmarks.scenarios.cost import note

if TYPE_CHECKING:
    from benchmarks.plan import Saturation
    from benchmarks.run import Run
    from benchmarks.systems import System


def measure(run: Run) -> None:
    """Run every shape of the plan, systems in turn, round after round."""
    for part in run.plan.saturation:
        often, once = run.systems(part.often), run.systems(part.once)
        for turn in range(run.plan.rounds):
            for system in often:
                _measure_one(run, part.shape, system, turn, run.plan.seconds)
            for system in once if turn == 0 else []:
                _measure_one(run, part.shape, system, turn, run.plan.once_seconds)
        _compare(run, part)


def name_of(shape: str) -> str:
    """Return the scenario's name for a shape."""
    return f"saturation {shape}"


def _measure_one(run: Run, shape: str, system: System, turn: int, seconds: float) -> None:
    scenario, form, plan = name_of(shape), SHAPES[shape], run.plan
    with run.attempt(scenario, system):
        measured = saturate(
            run.server,
            system,
            **form._asdict(),
            seconds=seconds,
            warmup=plan.warmup,
        )
        note(run, scenario, system.name, measured, turn)


def _compare(run: Run, part: Saturation) -> None:
    scenario = name_of(part.shape)
    for other in (*part.often, *part.once):
        if other != "casare":
            run.report.compare(f"{part.shape}_vs_{other.replace('-', '_')}", scenario, other)
