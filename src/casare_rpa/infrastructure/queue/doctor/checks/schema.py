"""Whether the queue's schema is there, and whether this program may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import SchemaMissing, SchemaTooNew
from casare_rpa.infrastructure.queue.doctor.finding import NOT_VISIBLE, note, ok, problem
from casare_rpa.infrastructure.queue.doctor.words import identifier
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION, check_version

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("schema", visit.schema)
    if row is None or not row["functions"]:
        what = "is not in this database" if row is None else "is there, and is not the queue's"
        return [problem("schema", f"the schema {visit.schema} {what}", "casare migrate")]
    visit.schema_usable = True
    if row["owner"] != visit.role("owner"):
        return [
            problem(
                "schema",
                f"the schema {visit.schema} belongs to {row['owner']}",
                f"ALTER SCHEMA {identifier(visit.schema)} OWNER TO {identifier(visit.role('owner'))};",
                owner=row["owner"],
            )
        ]
    if not row["usable"]:
        return [note("schema", f"the schema {visit.schema} is there; its version is {NOT_VISIBLE}")]
    info = await visit.row("schema_info")
    visit.version = info["version"] if info else None
    return [_judge(info)]


def _judge(info: object) -> Finding:
    version, oldest = info["version"], info["oldest_program"]  # type: ignore[index]  # a record of asyncpg's
    facts = {"version": version, "oldest_program": oldest, "program": PROGRAM_VERSION}
    try:
        check_version(version, oldest)
    except SchemaMissing as error:
        return problem("schema", str(error).split(": run ", maxsplit=1)[0], "casare migrate", **facts)
    except SchemaTooNew as error:
        return problem("schema", str(error).split(": update ", maxsplit=1)[0], "update casare-rpa", **facts)
    if version > PROGRAM_VERSION:
        words = f"version {version}; this program was written for {PROGRAM_VERSION} and is still served"
        return note("schema", words, "update casare-rpa when you can", **facts)
    return ok("schema", f"version {version}, as this program needs it", **facts)
