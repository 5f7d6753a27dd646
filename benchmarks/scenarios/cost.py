"""(i) What a job costs beside its time: WAL, and CPU time of the server and of the client, from the windows of a saturation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Measured
    from benchmarks.run import Run


def note(run: Run, scenario: str, system: str, measured: Measured, turn: int) -> None:
    """Add the rate of a measurement, and what each of the jobs that ended in its window cost; say the rate."""
    report, (answer, spent) = run.report, measured
    report.add(scenario, system, "rate", answer.rate or 0.0, "jobs/s", turn)
    if jobs := answer.window_jobs:
        report.add(scenario, system, "WAL", spent.wal_bytes / jobs, "bytes/job", turn)
        report.add(scenario, system, "server CPU", 1e6 * spent.cpu_seconds / jobs, "us/job", turn)
        if answer.cpu_seconds is not None:
            report.add(scenario, system, "client CPU", 1e6 * answer.cpu_seconds / jobs, "us/job", turn)
    run.say(f"{scenario}, {system}: {answer.rate or 0:,.0f} jobs/s")
