"""Which server this is, and whether it takes writes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import note, ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import duration, identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

LAST_FIXES = {
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
"""When PostgreSQL's project stops mending each version."""


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("server")
    return list(_judge(row))


def _judge(row: asyncpg.Record) -> Iterator[Finding]:
    facts = {"version": row["version"], "started": row["started"], "database": row["database"]}
    words = f"PostgreSQL {row['version'].split()[0]}, up for {duration((row['now'] - row['started']).total_seconds())}"
    end = LAST_FIXES.get(row["major"])
    database = identifier(row["database"])
    if row["standby"]:
        yield problem(
            "server",
            f"{words}: this is a standby, it takes no writes",
            "name the primary in PGQUEUER_DATABASE_URL; several hosts with ?target_session_attrs=read-write find it",
            **facts,
        )
    elif row["read_only"]:
        yield problem(
            "server",
            f"{words}: transactions are read-only by default",
            f"ALTER DATABASE {database} RESET default_transaction_read_only; see also ALTER ROLE and postgresql.conf",
            **facts,
        )
    elif end is not None and end < row["now"].date():
        yield note("server", f"{words}: this version gets no fixes since {end}", "update to a newer version", **facts)
    else:
        yield ok("server", words, **facts)
    if row["encoding"] != "UTF8":
        yield warning(
            "encoding",
            f"the database's encoding is {row['encoding']}: jobs with other characters than it has are refused",
            "make the queue's database anew: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0;",
            encoding=row["encoding"],
        )
