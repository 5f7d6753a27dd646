"""Whether the queue's roles are there and have no power beyond the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.doctor.finding import ok, problem
from casare_rpa.infrastructure.queue.doctor.words import identifier, listed
from casare_rpa.infrastructure.queue.schema import BLUEPRINT

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_POWERS = {
    "rolsuper": "SUPERUSER",
    "rolcanlogin": "LOGIN",
    "rolbypassrls": "BYPASSRLS",
    "rolcreaterole": "CREATEROLE",
    "rolcreatedb": "CREATEDB",
    "rolreplication": "REPLICATION",
}


async def check(visit: Visit) -> list[Finding]:
    wanted = [visit.role(suffix) for suffix in BLUEPRINT.roles]
    rows = await visit.rows("roles", wanted)
    findings = []
    if missing := sorted(set(wanted) - {row["role"] for row in rows}):
        findings.append(problem("roles", f"missing: {listed(missing)}", "casare migrate", missing=missing))
    for row in rows:
        powers = [word for column, word in _POWERS.items() if row[column]]
        if powers:
            findings.append(
                problem(
                    "roles",
                    f"{row['role']} has {' and '.join(powers)}: whoever is in it gets that too",
                    f"ALTER ROLE {identifier(row['role'])} {' '.join(f'NO{word}' for word in powers)};",
                    role=row["role"],
                    powers=powers,
                )
            )
    return findings or [ok("roles", f"all {len(wanted)} are there, without powers beyond the queue")]
