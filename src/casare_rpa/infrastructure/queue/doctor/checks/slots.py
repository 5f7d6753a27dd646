"""Replication slots that nobody reads: they keep the write-ahead log, until the disk is full, and dead rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning
from casare_rpa.infrastructure.queue.doctor.words import literal, size

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_NAME = "replication slots"
_OLD = 1_000_000


async def check(visit: Visit) -> list[Finding]:
    rows = await visit.rows("slots")
    findings = [
        warning(
            _NAME,
            f"{row['slot']} keeps {size(row['bytes'] or 0)} of the write-ahead log{_behind(row['behind'])}",
            f"SELECT pg_drop_replication_slot({literal(row['slot'])}); when its reader is gone for good",
            **dict(row),
        )
        for row in rows
        if not row["active"] and ((row["bytes"] or 0) >= visit.limits.slot_bytes or (row["behind"] or 0) >= _OLD)
    ]
    return findings or [ok(_NAME, f"{len(rows)}, none of them left behind" if rows else "none", slots=len(rows))]


def _behind(transactions: int | None) -> str:
    return f", and rows for {transactions} transactions" if transactions else ""
