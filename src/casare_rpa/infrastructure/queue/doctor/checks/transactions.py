"""The oldest transaction, whose snapshot keeps the rows of finished jobs from being removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.doctor.finding import note, ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import duration, literal

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_NAME = "oldest transaction"
_MANY = 1_000_000
"""Transactions that have begun since: as bad as an hour, where the age is not visible."""


async def check(visit: Visit) -> list[Finding]:
    rows = await visit.rows("transactions")
    if not rows:
        return [ok(_NAME, "none is open")]
    oldest = rows[0]
    facts: dict[str, Any] = {**dict(oldest), "open": len(rows)}
    words = f"{_who(oldest)}, {_age(oldest)}"
    harm = "; until it ends, rows of finished jobs are not removed, and claims and looks get slower"
    seconds, behind = oldest["seconds"] or 0.0, oldest["behind"] or 0
    if seconds >= visit.limits.ancient_transaction or behind >= _MANY:
        return [problem(_NAME, words + harm, _end(oldest), **facts)]
    if seconds >= visit.limits.old_transaction:
        return [warning(_NAME, words + harm, _end(oldest), **facts)]
    if oldest["seconds"] is None and oldest["kind"] == "session":
        advice = "GRANT pg_monitor TO this login shows since when"
        return [note(_NAME, words, advice, **facts)]
    return [ok(_NAME, words, **facts)]


def _who(row: asyncpg.Record) -> str:
    kind = f"{row['kind']} {row['holder']}"
    program = f", {row['application']}" if row["application"] else ""
    state = f", {row['state']}" if row["state"] and row["state"] != "prepared" else ""
    return f"{kind} of {row['login']}{program}{state}"


def _age(row: asyncpg.Record) -> str:
    if row["seconds"] is not None:
        return f"open for {duration(row['seconds'])}"
    return f"{row['behind']} transactions old" if row["behind"] is not None else "of unknown age"


def _end(row: asyncpg.Record) -> str:
    match row["kind"]:
        case "session":
            return (
                f"SELECT pg_terminate_backend({row['holder']}); and against the next one: "
                f"ALTER ROLE ... SET idle_in_transaction_session_timeout = '5min';"
            )
        case "prepared transaction":
            return (
                f"ROLLBACK PREPARED {literal(row['holder'])}; or COMMIT PREPARED, whichever its program would have said"
            )
        case _:
            return "end the long query on the standby, or set hot_standby_feedback = off there"
