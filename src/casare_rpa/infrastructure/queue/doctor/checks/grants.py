"""Whether every role may call exactly the functions it should, and nobody touches a table.

What should be stands in `90_rights.sql`, which a migration runs; it is read from there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import RESTORE, ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import identifier, listed
from casare_rpa.infrastructure.queue.schema import BLUEPRINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_LIST = re.compile(r"\('(\w+)',\s*ARRAY\[([^\]]*)\]\)")
_WORD = re.compile(r"'(\w+)'")


def rights() -> dict[str, set[str]]:
    """Return the roles, by their suffixes, that may call each function."""
    found: dict[str, set[str]] = {}
    for name, text in BLUEPRINT.function_files():
        if name.endswith("_rights.sql"):
            for role, functions in _LIST.findall(text):
                for function in _WORD.findall(functions):
                    found.setdefault(function, set()).add(role)
    return found


RIGHTS = rights()


async def check(visit: Visit) -> list[Finding]:
    functions = await visit.rows("function_rights", visit.schema)
    tables = await visit.rows("table_rights", visit.schema)
    schema = await visit.rows("schema_rights", visit.schema)
    findings = [
        *_missing(visit, functions, schema),
        *_surplus(visit, functions),
        *_strange_owners(visit, functions),
        *_open_tables(visit, tables, schema),
    ]
    return findings or [ok("grants", f"as the migration made them, {len(RIGHTS)} functions")]


def _missing(visit: Visit, functions: list[asyncpg.Record], schema: list[asyncpg.Record]) -> Iterator[Finding]:
    by_name = {row["name"]: row for row in functions}
    if absent := sorted(set(RIGHTS) - set(by_name)):
        advice = RESTORE if visit.lacks_objects else "casare migrate"
        yield problem("grants", f"functions are missing: {listed(absent)}", advice, missing=absent)
    revoked = sorted(
        (visit.role(role), by_name[name]["signature"])
        for name, roles in RIGHTS.items()
        for role in roles
        if name in by_name and visit.role(role) not in by_name[name]["grantees"]
    )
    if revoked:
        role, signature = revoked[0]
        yield problem(
            "grants",
            f"{listed(sorted({role for role, _ in revoked}))} may not call {listed(sorted({f for _, f in revoked}), 3)}",
            f"casare migrate (or GRANT EXECUTE ON FUNCTION {signature} TO {identifier(role)}; and so on)",
            revoked=[list(pair) for pair in revoked],
        )
    users = {visit.role(suffix) for suffix in BLUEPRINT.roles if suffix != "owner"}
    closed = sorted(users - {row["grantee"] for row in schema if row["privilege"] == "USAGE"})
    if closed:
        yield problem(
            "grants",
            f"{listed(closed)} may not use the schema",
            f"GRANT USAGE ON SCHEMA {identifier(visit.schema)} TO {', '.join(map(identifier, closed))};",
            revoked=[[role, "USAGE"] for role in closed],
        )


def _surplus(visit: Visit, functions: list[asyncpg.Record]) -> Iterator[Finding]:
    public = [row["signature"] for row in functions if "PUBLIC" in row["grantees"]]
    if public:
        yield problem(
            "grants",
            f"everybody may call {listed(public, 3)}",
            f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {identifier(visit.schema)} FROM PUBLIC;",
            public=public,
        )
    beyond = [
        (grantee, row["signature"])
        for row in functions
        for grantee in row["grantees"]
        if grantee not in {"PUBLIC", *map(visit.role, RIGHTS.get(row["name"], ()))}
    ]
    if beyond:
        grantee, signature = beyond[0]
        yield warning(
            "grants",
            f"{listed(sorted({g for g, _ in beyond}))} may call {listed(sorted({f for _, f in beyond}), 3)}, beyond the roles",
            f"if you did not mean it: REVOKE EXECUTE ON FUNCTION {signature} FROM {identifier(grantee)};",
            beyond=[list(pair) for pair in beyond],
        )


def _strange_owners(visit: Visit, functions: list[asyncpg.Record]) -> Iterator[Finding]:
    """A function that runs with its owner's rights must not be a superuser's."""
    strange = [row for row in functions if row["definer"] and row["owner"] != visit.role("owner")]
    if strange:
        yield problem(
            "grants",
            f"{listed([row['signature'] for row in strange], 3)} runs with the rights of {strange[0]['owner']}",
            f"ALTER FUNCTION {strange[0]['signature']} OWNER TO {identifier(visit.role('owner'))};",
            owners={row["signature"]: row["owner"] for row in strange},
        )


def _open_tables(visit: Visit, tables: list[asyncpg.Record], schema: list[asyncpg.Record]) -> Iterator[Finding]:
    if tables:
        first = tables[0]
        grantee = "PUBLIC" if first["grantee"] == "PUBLIC" else identifier(first["grantee"])
        make = problem if any(row["grantee"] == "PUBLIC" for row in tables) else warning
        yield make(
            "grants",
            f"{listed(sorted({row['grantee'] for row in tables}))} may touch {listed(sorted({row['name'] for row in tables}), 3)}",
            f"if you did not mean it: REVOKE ALL ON {first['name']} FROM {grantee};",
            tables=[[row["grantee"], row["name"]] for row in tables],
        )
    if creators := [row["grantee"] for row in schema if row["privilege"] == "CREATE"]:
        who = ", ".join("PUBLIC" if name == "PUBLIC" else identifier(name) for name in creators)
        yield problem(
            "grants",
            f"{listed(creators)} may create objects in the schema, and so take the place of the queue's",
            f"REVOKE CREATE ON SCHEMA {identifier(visit.schema)} FROM {who};",
            creators=creators,
        )
