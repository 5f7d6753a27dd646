"""What this login is allowed to do: its roles, whether it is registered, to what it is bound."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.infrastructure.queue.doctor.finding import note, ok, problem, warning
from casare_rpa.infrastructure.queue.doctor.words import identifier, listed, literal
from casare_rpa.infrastructure.queue.schema import BLUEPRINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casare_rpa.infrastructure.queue.doctor.finding import Finding
    from casare_rpa.infrastructure.queue.doctor.visit import Visit

_SOON = timedelta(days=14)


async def check(visit: Visit) -> list[Finding]:
    row = await visit.row("login", [visit.role(suffix) for suffix in BLUEPRINT.roles])
    roles = [role.removeprefix(f"{visit.schema}_") for role in row["roles"]]
    return [await _may(visit, row, roles), *_expires(row)]


async def _may(visit: Visit, row: asyncpg.Record, roles: list[str]) -> Finding:
    login = row["login"]
    facts = {"login": login, "superuser": row["superuser"], "roles": roles}
    if row["superuser"]:
        words = f"{login} is a superuser: it may do everything in every database"
        return note("login", words, "give programs logins of their own, see the guide on roles", **facts)
    if not roles:
        grant = f"GRANT {identifier(visit.role('producer'))} TO {identifier(login)};"
        return problem("login", f"{login} is in none of the queue's roles", f"{grant} (or robot, viewer)", **facts)
    if "owner" in roles:
        return ok("login", f"{login} is an administrator of the queue: it is in {visit.role('owner')}", **facts)
    return await _registered(visit, login, roles, facts)


async def _registered(visit: Visit, login: str, roles: list[str], facts: dict[str, object]) -> Finding:
    query = "registered_by_waiting" if roles == ["robot"] else "registered_by_looking"
    queue = visit.config.queue_name
    try:
        await visit.rows(query, queue)
    except asyncpg.PostgresError as error:
        if error.sqlstate != "CR005":
            raise
        if "queue" in str(error) and "registered" not in str(error):
            register = f"SELECT {visit.schema}.register_login({literal(login)}, p_queues => ARRAY[{literal(queue)}]);"
            return problem("login", str(error), f"set PGQUEUER_QUEUE_NAME, or: {register}", **facts)
        register = f"SELECT {visit.schema}.register_login({literal(login)});"
        return problem("login", f"{login} is not registered with this queue", register, **facts)
    return ok("login", f"{login} is registered, and is {listed(roles)}", **facts)


def _expires(row: asyncpg.Record) -> Iterator[Finding]:
    until = row["valid_until"]
    if until is not None and until < row["now"] + _SOON:
        yield warning(
            "login",
            f"the password of {row['login']} ends on {until:%Y-%m-%d}",
            f"ALTER ROLE {identifier(row['login'])} VALID UNTIL 'infinity';",
            valid_until=until,
        )
