"""Queues whose jobs wait for nobody, and paused ones."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from casare_rpa.foundation.text import visible
from casare_rpa.infrastructure.queue.doctor.finding import note, ok

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_MOST = 10
"""Queues that are named."""


async def check(visit: Visit) -> list[Finding]:
    rows = await visit.rows("queues")
    left = [row for row in rows if row["waiting"] and (row["paused_at"] or not row["robots"])]
    findings = [_paused(row) if row["paused_at"] else _without_robot(row) for row in left[:_MOST]]
    if len(left) > _MOST:
        findings.append(note("queues", f"{len(left) - _MOST} more queues wait", "casare queue list"))
    robots = sum(row["robots"] for row in rows)
    return findings or [ok("queues", f"{len(rows)} queues, {robots} robots", queues=len(rows), robots=robots)]


def _paused(row: asyncpg.Record) -> Finding:
    words = f"{row['queue']} is paused since {row['paused_at']:%Y-%m-%d %H:%M}Z by {row['paused_by']}, {_waiting(row)}"
    return note("queues", words, _advice("casare queue resume", row["queue"]), **dict(row))


def _without_robot(row: asyncpg.Record) -> Finding:
    words = f"{row['queue']}: {_waiting(row)}, and no robot was seen on it in the last 40 s"
    return note("queues", words, _advice("casare work MODULE:FUNCTION --queue", row["queue"]), **dict(row))


def _advice(command: str, queue: str) -> str:
    if visible(queue) != queue:  # it is printed with escapes, which a shell would take for the name
        return f"{command} QUEUE: its name has control characters or others that cannot be shown, see casare queue list --json"
    return f"{command} {shlex.quote(queue)}"


def _waiting(row: asyncpg.Record) -> str:
    count = row["waiting"]
    return "more than 1000 jobs wait" if count > 1000 else f"{count} job{'s wait' if count > 1 else ' waits'}"
