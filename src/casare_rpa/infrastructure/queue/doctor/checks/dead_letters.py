"""Jobs that wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import note, ok

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_MOST = 100_000


async def check(visit: Visit) -> list[Finding]:
    counts = {row["reason"]: row["count"] for row in await visit.rows("dead_letters")}
    total = sum(counts.values())
    if not total:
        return [ok("dead letters", "none", count=0)]
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    words = f"{'at least ' if total >= _MOST else ''}{total}: {reasons}"
    return [note("dead letters", words, "casare dlq groups", count=total, by_reason=counts)]
