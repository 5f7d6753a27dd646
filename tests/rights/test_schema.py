"""What the schema is made of gives nobody more than was granted."""

from __future__ import annotations

import pytest

from casare_rpa.infrastructure.queue import migrate
from tests.rights.logins import ROLES

OWNED = """
    SELECT 'relation ' || relname AS what, pg_get_userbyid(relowner) AS owner
      FROM pg_class WHERE relnamespace = 'pgqueuer'::regnamespace
    UNION ALL
    SELECT 'function ' || oid::regprocedure, pg_get_userbyid(proowner)
      FROM pg_proc WHERE pronamespace = 'pgqueuer'::regnamespace
    UNION ALL
    SELECT 'type ' || typname, pg_get_userbyid(typowner) FROM pg_type WHERE typnamespace = 'pgqueuer'::regnamespace
    UNION ALL
    SELECT 'schema', pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'pgqueuer'
"""
GRANTED = """
    SELECT o.what, o.guarded, coalesce(g.rolname, 'PUBLIC') AS grantee, a.privilege_type AS privilege
      FROM (SELECT 'function ' || p.oid::regprocedure AS what, p.prosecdef AS guarded, p.proowner AS owner,
                   coalesce(p.proacl, acldefault('f', p.proowner)) AS rights
              FROM pg_proc p WHERE p.pronamespace = 'pgqueuer'::regnamespace
            UNION ALL
            SELECT 'relation ' || c.relname, false, c.relowner, coalesce(c.relacl, acldefault('r', c.relowner))
              FROM pg_class c WHERE c.relnamespace = 'pgqueuer'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
            UNION ALL
            SELECT 'schema', false, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
              FROM pg_namespace n WHERE n.nspname = 'pgqueuer') o
     CROSS JOIN LATERAL aclexplode(o.rights) a LEFT JOIN pg_roles g ON g.oid = a.grantee
     WHERE a.grantee <> o.owner
"""


@pytest.fixture
async def lived_in(connection, config):
    """A schema whose upkeep has made partitions, and that has been migrated once more."""
    await connection.execute("SELECT pgqueuer.upkeep(true)")
    await migrate(config)
    return connection


async def test_roles_can_do_nothing_by_themselves(connection):
    for role in ("owner", *ROLES):
        found = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", f"pgqueuer_{role}")
        powers = ("rolcanlogin", "rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
        assert not any(found[power] for power in powers), role


async def test_no_role_is_a_member_of_another(connection):
    for role in ROLES:
        for other in {"owner", *ROLES} - {role}:
            member = "SELECT pg_has_role($1::name, $2::name, 'MEMBER')"
            assert not await connection.fetchval(member, f"pgqueuer_{role}", f"pgqueuer_{other}")


async def test_the_owner_owns_everything(lived_in):
    owned = await lived_in.fetch(OWNED)

    assert len(owned) > 100
    assert {row["what"]: row["owner"] for row in owned if row["owner"] != "pgqueuer_owner"} == {}


async def test_public_may_do_nothing(lived_in):
    assert [tuple(row) for row in await lived_in.fetch(GRANTED) if row["grantee"] == "PUBLIC"] == []


async def test_roles_may_use_the_schema_and_execute_guarded_functions_and_nothing_else(lived_in):
    granted = await lived_in.fetch(GRANTED)

    assert {row["grantee"] for row in granted} <= {f"pgqueuer_{role}" for role in ROLES}
    for row in granted:
        usable = row["what"] == "schema" and row["privilege"] == "USAGE"
        callable_ = row["privilege"] == "EXECUTE" and row["guarded"]
        assert usable or callable_, tuple(row)


async def test_definer_functions_look_into_the_schema_first_and_into_pg_temp_last(lived_in):
    functions = await lived_in.fetch(
        "SELECT oid::regprocedure::text AS name, proconfig AS settings FROM pg_proc"
        " WHERE pronamespace = 'pgqueuer'::regnamespace AND prosecdef"
    )

    assert len(functions) > 15
    for function in functions:
        [path] = [setting for setting in function["settings"] or [] if setting.startswith("search_path=")] or [""]
        schemas = path.removeprefix("search_path=").split(", ")
        assert (schemas[0], schemas[-1]) == ("pgqueuer", "pg_temp"), function["name"]
        assert len(schemas) == 2, function["name"]
