"""How near the server is to running out of transaction numbers, at which it stops taking writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, problem, warning

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_END = 2_100_000_000


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("transaction_ids")
    used = max(row["transactions"], row["multixacts"])
    words = f"{used / 1e6:.0f} of {_END / 1e6:.0f} million numbers used since the last freeze"
    if used < visit.limits.transaction_ids:
        return [ok("transaction numbers", words, **dict(row))]
    make = problem if used >= 3 * visit.limits.transaction_ids else warning
    return [
        make(
            "transaction numbers",
            f"{words}: autovacuum does not keep up, and at the end the server takes no writes",
            "end old transactions and replication slots (see above), then VACUUM (FREEZE); in this database",
            **dict(row),
        )
    ]
