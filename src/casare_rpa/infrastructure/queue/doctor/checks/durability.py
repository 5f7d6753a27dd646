"""Settings under which a crash of the server loses jobs that were reported as enqueued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_MEANS = {
    "fsync": "a power failure can destroy the whole database",
    "full_page_writes": "a power failure can leave pages half written",
    "synchronous_commit": "a crash of the server forgets what was committed in the last moments: enqueued jobs too",
}


async def check(visit: Visit) -> list[Finding]:
    values = {row["name"]: row["value"] for row in await visit.rows("durability")}
    findings = [
        warning(
            "durability",
            f"{name} is off: {_MEANS[name]}",
            f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
            **{name: "off"},
        )
        for name, value in values.items()
        if value == "off"
    ]
    return findings or [ok("durability", "what is committed survives a crash", **values)]
