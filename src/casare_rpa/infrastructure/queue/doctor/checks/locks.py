"""How full the server's table of locks is: any login may fill it with advisory locks, and then nobody gets one any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("locks")
    if row is None:
        return [ok("locks", "none is held", used=0)]
    facts = {name: row[name] for name in ("used", "room", "pid", "held", "login", "application")}
    words = f"{row['used']} of {row['room']} are held"
    if row["used"] <= row["room"] * visit.limits.locks:
        return [ok("locks", words, **facts)]
    holder = f"session {row['pid']} of {row['application'] or row['login'] or '?'}"
    return [
        warning(
            "locks",
            f"{words}, {row['held']} of them by {holder}; once all are, every call of everybody fails",
            f"SELECT pg_terminate_backend({row['pid']}); or raise max_locks_per_transaction",
            **facts,
        )
    ]
