"""Whether connections share sessions with others, through a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.doctor.finding import note, ok, warning

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    config, shared = visit.config, visit.shares_sessions
    facts: dict[str, Any] = {"shared": shared, "direct_url": config.direct_url is not None}
    if config.has_own_sessions:
        return [ok("pooler", "PGQUEUER_DIRECT_URL says that every connection has a session of its own", **facts)]
    if not shared:
        return [ok("pooler", "none: every connection has a session of its own", **facts)]
    if config.direct_url is not None:
        return [note("pooler", "a pooler shares sessions; robots listen on PGQUEUER_DIRECT_URL", **facts)]
    return [
        warning(
            "pooler",
            "a pooler stands before the server: robots do not listen, they poll",
            "set PGQUEUER_DIRECT_URL to a URL of the server itself, or to the same URL if the pooler is in session mode",
            **facts,
        )
    ]
