"""(h) Payloads of 0.1, 10 and 100 KiB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import saturate
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
                note(run, scenario, system.name, measured, 0)
        for other in plan.payload_systems:
            if other != "casare":
                run.report.compare(f"payload_{size}_vs_{other}", scenario, other)
