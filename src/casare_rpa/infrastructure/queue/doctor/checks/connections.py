"""How many more connections the server, the database and the login allow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning
from casare_rpa.infrastructure.queue.doctor.words import listed

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("connections")
    lefts = {"max_connections": row["most"] - row["reserved"] - row["used"]}
    if row["database_most"] >= 0:
        lefts["the database's CONNECTION LIMIT"] = row["database_most"] - row["here"]
    if row["login_most"] >= 0:
        lefts["the login's CONNECTION LIMIT"] = row["login_most"] - row["mine"]
    by_program: dict[str, int] = json.loads(row["by_program"] or "{}")
    bound = min(lefts, key=lefts.__getitem__)
    left = max(lefts[bound], 0)
    facts = {"left": left, "bound": bound, "used": row["used"], "max": row["most"], "by_program": by_program}
    words = f"{left} left of {row['most']}, {row['used']} used"
    if left >= visit.limits.connections_left:
        return [ok("connections", words, **facts)]
    most = listed((f"{name} {n}" for name, n in sorted(by_program.items(), key=lambda item: -item[1])), 3)
    return [
        warning(
            "connections",
            f"{words}, by {bound}; most by {most}",
            "close what is not needed, set PGQUEUER_POOL_SIZE lower, raise the limit, or put a pooler between",
            **facts,
        )
    ]
