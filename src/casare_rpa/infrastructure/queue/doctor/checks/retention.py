"""Whether history that is older than the retention is dropped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning
from casare_rpa.infrastructure.queue.doctor.words import listed

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_SLACK = timedelta(days=3)
"""A week goes when the whole of it is past the retention and a day more; then it may take some passes."""


async def check(visit: Visit) -> list[Finding]:
    settings = await visit.row("retention")
    oldest = timedelta(seconds=settings["seconds"]) + _SLACK
    late = [row["name"] for row in await visit.rows("partitions", visit.schema) if row["ends"] < row["now"] - oldest]
    if not late:
        return [ok("retention", f"history is kept for {settings['retention']}", retention=settings["retention"])]
    return [
        warning(
            "retention",
            f"{listed(late)} should be gone: history is kept for {settings['retention']}",
            "a reader may hold it, see oldest transaction; "
            f"then SELECT {visit.schema}.upkeep(true); as a member of {visit.role('owner')}",
            late=late,
        )
    ]
