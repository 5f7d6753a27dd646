"""Whether somebody does the upkeep: ends leases that ran out, makes due jobs ready, makes partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import note, ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import duration

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_HELD = (
    "a session that keeps a transaction open can hold it up: SELECT pid, usename, state, xact_start FROM pg_stat_activity "
    "WHERE state LIKE 'idle in transaction%';"
)


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("upkeep")
    if row is None:
        advice = f"INSERT INTO {visit.schema}.upkeep_state (passed_at) VALUES (now());"  # noqa: S608 - for people to run
        return [problem("upkeep", "its state is gone: no lease ends, no job becomes due", advice)]
    facts = {name: row[name] for name in ("seconds", "partitioned_at", "robots", "expired")}
    words = f"the last pass was {duration(max(row['seconds'], 0.0))} ago"
    late = row["seconds"] > visit.limits.upkeep_gap
    if late and row["expired"]:
        words += f", and {row['expired']} leases have run out since"
        return [problem("upkeep", words, f"start a robot or a producer; {_HELD}", **facts)]
    if late and row["robots"]:
        return [warning("upkeep", f"{words}, though {row['robots']} robots were seen", _HELD, **facts)]
    if late:
        return [note("upkeep", f"{words}: no robot and no producer is running", **facts)]
    return [ok("upkeep", words, **facts)]
