"""Dead rows that nobody removes, and indexes that have grown far beyond their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, warning
from casare_rpa.infrastructure.queue.doctor.words import identifier, size

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    tables = await visit.rows("bloat", visit.schema)
    indexes = await visit.rows("index_sizes", visit.schema)
    findings = [_dead_rows(visit, row) for row in tables if _too_many(visit, row)]
    findings += [_large_index(visit, row) for row in indexes if _too_large(visit, row)]
    if findings:
        return findings
    jobs = next((row for row in tables if row["name"] == "jobs"), None)
    if jobs is None:
        return [ok("bloat", "no table jobs")]
    words = f"jobs: {jobs['live']} live rows, {jobs['dead']} dead, {size(jobs['bytes'])} and {size(jobs['index_bytes'])} of indexes"
    return [ok("bloat", words, tables=[_facts(row) for row in tables if row["bytes"]])]


def _too_many(visit: Visit, row: asyncpg.Record) -> bool:
    limits = visit.limits
    return bool(row["dead"] >= max(limits.dead_rows, limits.dead_times_trigger * row["trigger"]))


def _too_large(visit: Visit, row: asyncpg.Record) -> bool:
    limits = visit.limits
    return bool(row["bytes"] > max(limits.index_bytes, limits.index_bytes_per_row * row["rows"]))


def _dead_rows(visit: Visit, row: asyncpg.Record) -> Finding:
    when = f"last vacuumed {row['vacuumed']:%Y-%m-%d %H:%M}Z" if row["vacuumed"] else "never vacuumed"
    return warning(
        "bloat",
        f"{row['name']} has {row['dead']} dead rows beside {row['live']} live ones, {when}: autovacuum does not keep up",
        f"VACUUM (VERBOSE) {identifier(visit.schema)}.{identifier(row['name'])}; if it removes nothing, see oldest transaction "
        "and replication slots",
        **_facts(row),
    )


def _large_index(visit: Visit, row: asyncpg.Record) -> Finding:
    return warning(
        "bloat",
        f"the index {row['name']} has {size(row['bytes'])} for {row['rows']} rows",
        f"REINDEX INDEX CONCURRENTLY {identifier(visit.schema)}.{identifier(row['name'])};",
        **dict(row),
    )


def _facts(row: asyncpg.Record) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "trigger"}
