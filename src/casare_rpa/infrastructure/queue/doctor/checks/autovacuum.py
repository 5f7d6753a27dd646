"""Whether autovacuum runs, and comes to the table of jobs as often as that needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import identifier, listed

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

JOBS = {
    "fillfactor": 60,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 5000,
    "autovacuum_vacuum_insert_scale_factor": 0,
    "autovacuum_vacuum_insert_threshold": 50000,
    "autovacuum_analyze_scale_factor": 0,
    "autovacuum_analyze_threshold": 20000,
    "autovacuum_vacuum_cost_delay": 0,
}
"""The settings that the migration gives to `jobs`."""


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("autovacuum", visit.schema)
    findings = []
    if not (row["autovacuum"] and row["track_counts"]):
        name = "track_counts" if row["autovacuum"] else "autovacuum"
        findings.append(
            problem(
                "autovacuum",
                f"{name} is off: rows of finished jobs are never removed",
                f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
                **{name: False},
            )
        )
    if row["switched_off"]:
        findings.append(
            problem(
                "autovacuum",
                f"it is switched off for {listed(row['switched_off'])}: dead rows stay there",
                f"ALTER TABLE {row['switched_off'][0]} RESET (autovacuum_enabled);",
                switched_off=row["switched_off"],
            )
        )
    has = {name: float(value) for name, value in (option.split("=", 1) for option in row["jobs"]) if name in JOBS}
    if has != JOBS:
        wrong = {name: value for name, value in JOBS.items() if has.get(name) != value}
        findings.append(
            warning(
                "autovacuum",
                f"jobs has other settings than the migration gave it: {listed(wrong)}",
                f"ALTER TABLE {identifier(visit.schema)}.jobs SET ({', '.join(f'{n} = {v}' for n, v in wrong.items())});",
                has={name: has.get(name) for name in wrong},
            )
        )
    return findings or [ok("autovacuum", "on, with the settings that jobs needs")]
