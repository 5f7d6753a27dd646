"""How full the server's queue of notifications is: one session that listens and stays in a transaction fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import duration, listed

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_NAME = "notifications"
_SILENT = 0.5
"""From here on the queue's functions say nothing: see notify_quietly."""


async def check(visit: Visit) -> list[Finding]:
    rows = await visit.rows("notifications")
    usage = rows[0]["usage"]
    holders = [row for row in rows if row["pid"] is not None]
    facts = {"usage": usage, "open": [row["pid"] for row in holders]}
    words = f"the server's queue of notifications is {usage:.0%} full"
    if usage < visit.limits.notifications:
        return [ok(_NAME, words, **facts)]
    words += f"; longest in a transaction: {listed(map(_who, holders)) or 'nobody now'}"
    advice = "end whoever has listened and is in a transaction: " + " ".join(
        f"SELECT pg_terminate_backend({row['pid']});" for row in holders[:1]
    )
    if usage > _SILENT:
        return [problem(_NAME, words + "; robots are told nothing any more and poll", advice, **facts)]
    return [warning(_NAME, words, advice, **facts)]


def _who(row: asyncpg.Record) -> str:
    since = f" for {duration(row['seconds'])}" if row["seconds"] is not None else ""
    return f"session {row['pid']} of {row['application'] or row['login'] or '?'}{since}"
