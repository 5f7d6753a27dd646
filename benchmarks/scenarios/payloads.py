"""(h) Payloads of 0.1, 10 and 100 KiB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import saturate
from benchmarks.report import Key
from benchmarks.scenarios.cost import note

if TYPE_CHECKING:
    from benchmarks.run import Run

ENQUEUE, BACKLOG, CONSUMERS, CLAIM = 20, 400, 5, 10
"""The same for all sizes, and such that no more than some ten megabytes wait."""


def measure(run: Run) -> None:
    """Run every size, systems in turn."""
    plan = run.plan
    systems = run.systems(plan.payload_systems)
    for size in plan.payload_bytes:
        scenario = f"payload {size / 1024:.3g} KiB"
        for system in systems:
            with run.attempt(scenario, system):
                measured = saturate(
                    run.server,
                    system,
                    payload_bytes=size,
                    enqueue=ENQUEUE,
                    backlog=BACKLOG,
                    consumers=CONSUMERS,
                    claim=CLAIM,
                    seconds=plan.payload_seconds,
                    warmup=plan.warmup,
                )
                note(run.report, scenario, system.name, measured, 0)
                run.say(f"{scenario}, {system.name}: {measured.answer.rate or 0:,.0f} jobs/s")
        for other in plan.payload_systems:
            if other != "casare":
                name = f"payload_{size}_vs_{other}"
                run.report.set_ratio(name, Key(scenario, "casare", "rate"), Key(scenario, other, "rate"))
