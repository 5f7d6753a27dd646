"""Whether everything is there that the migrations make: tables, views, sequences, types, constraints and indexes.

`objects.json` lists it, each kind by name, with the SQL that defines a constraint or an index; functions are the grants' check.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import NOT_VISIBLE, RESTORE, note, ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import identifier, listed
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_QUEUE = files("casare_rpa.infrastructure.queue")
EXPECTED: dict[str, dict[str, str | None]] = json.loads((_QUEUE / "doctor" / "objects.json").read_text("utf-8"))
_MADE_BY_FILES = ("table", "view", "sequence", "type")
_BUILT_LATER = frozenset(
    name
    for file in (_QUEUE / "sql" / "migrations").iterdir()
    if file.name.endswith(".indexes.sql")
    for name in re.findall(r"^CREATE (?:UNIQUE )?INDEX (\w+)", file.read_text("utf-8"), re.MULTILINE)
)
"""Indexes that every migration looks for, and builds beside the work of the queue."""


async def check(visit: Visit) -> list[Finding]:
    rows = await visit.rows("objects", identifier(visit.schema))
    valid = {(row["kind"], row["name"]): row["valid"] for row in rows}
    if visit.version is None and ("table", "migrations") in valid:
        return [note("objects", f"not compared: the schema's version is {NOT_VISIBLE}")]
    if visit.version not in {None, PROGRAM_VERSION}:
        words = (
            f"not compared: the schema has version {visit.version}, and this program knows what {PROGRAM_VERSION} holds"
        )
        return [note("objects", words)]
    gone = [f"{kind} {name}" for kind in _MADE_BY_FILES for name in EXPECTED[kind] if (kind, name) not in valid]
    visit.lacks_objects = bool(gone)
    findings = [problem("objects", f"missing: {listed(gone, 10)}", RESTORE, missing=gone)] if gone else []
    for name in EXPECTED["constraint"]:
        table = name.split(".")[0]
        if ("table", table) in valid and not valid.get(("constraint", name)):
            findings.append(_constraint(visit, name, is_there=("constraint", name) in valid))
    for name, definition in EXPECTED["index"].items():
        if ("table", _table_of(definition or "")) in valid and not valid.get(("index", name)):
            findings.append(_index(visit, name, is_there=("index", name) in valid))
    count = sum(len(names) for names in EXPECTED.values())
    return findings or [ok("objects", f"all {count} that the migrations make are there", objects=count)]


def _table_of(definition: str) -> str:
    found = re.search(r" ON (?:ONLY )?\{schema\}\.(\w+) ", definition)
    return found[1] if found else ""


def _constraint(visit: Visit, name: str, *, is_there: bool) -> Finding:
    table, constraint = name.split(".")
    owner = f"ALTER TABLE {identifier(visit.schema)}.{identifier(table)}"
    if is_there:
        advice = f"{owner} VALIDATE CONSTRAINT {identifier(constraint)};"
        return warning("objects", f"the constraint {constraint} of {table} is not validated", advice, invalid=[name])
    advice = f"{owner} ADD CONSTRAINT {identifier(constraint)} {_sql(visit, 'constraint', name)};"
    return problem("objects", f"the constraint {constraint} of {table} is missing", advice, missing=[name])


def _index(visit: Visit, name: str, *, is_there: bool) -> Finding:
    definition = _sql(visit, "index", name)
    if is_there:
        words = f"the index {name} is being built, or its build was interrupted: it is not used"
        advice = f"REINDEX INDEX CONCURRENTLY {identifier(visit.schema)}.{identifier(name)};"
        facts = {"invalid": [name]}
    else:
        words, advice, facts = f"the index {name} is missing", f"{definition};", {"missing": [name]}
    if name in _BUILT_LATER:
        advice = "casare migrate, if none is running, builds it beside the work of the queue"
    if definition.startswith("CREATE UNIQUE"):
        return problem("objects", f"{words}: what is done twice is not noticed", advice, **facts)
    return warning("objects", f"{words}: claims and looks get slower with every job", advice, **facts)


def _sql(visit: Visit, kind: str, name: str) -> str:
    definition = (EXPECTED[kind][name] or "").replace("{schema}", identifier(visit.schema))
    if (
        " ON ONLY " in definition
    ):  # a partitioned table's: its partitions need it too, and it cannot be built beside work
        return definition.replace(" ON ONLY ", " ON ")
    return definition.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)
