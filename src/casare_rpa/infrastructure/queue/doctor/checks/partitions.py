"""Whether the history has partitions for the coming weeks, without a gap."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import duration

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    rows = await visit.rows("partitions", visit.schema)
    advice = f"SELECT {visit.schema}.upkeep(true); as a member of {visit.role('owner')}"
    if not rows:
        return [problem("partitions", "the history has no partition: no job can be completed", advice, ahead_seconds=0)]
    now = rows[0]["now"]
    covered = _covered_from(now, rows)
    facts = {"partitions": len(rows), "ahead_seconds": (covered - now).total_seconds(), "until": covered}
    if covered <= now:
        words = "the history has no partition for now: no job can be completed"
        return [problem("partitions", words, advice, **facts)]
    words = f"{len(rows)}, the coming {duration((covered - now).total_seconds())} are there"
    if covered - now < timedelta(seconds=visit.limits.partitions_ahead):
        words += ": nobody has made new ones for weeks, or a lock is in the way"
        return [warning("partitions", words, advice, **facts)]
    return [ok("partitions", words, **facts)]


def _covered_from(now: datetime, rows: list[asyncpg.Record]) -> datetime:
    """Return until when partitions follow on one another without a gap."""
    covered = now
    for row in rows:
        if row["starts"] <= covered < row["ends"]:
            covered = row["ends"]
    return covered
