"""A login of each role tries everything that it may not do."""

from __future__ import annotations

import asyncpg
import pytest

from tests.rights.logins import ROLES

ALLOWED = {
    "robot": {
        "schema_info",
        "channels",
        "wait_for_jobs",
        "stop_waiting_for_jobs",
        "claim_jobs",
        "start_jobs",
        "settle_jobs",
        "settle_and_claim",
        "heartbeat",
        "upkeep",
    },
    "producer": {
        "schema_info",
        "enqueue_jobs",
        "enqueue_job",
        "announce_jobs",
        "cancel_job",
        "cancel_job_once",
        "find_job",
        "find_attempts",
        "list_jobs",
        "queue_depth",
        "list_dead_letters",
        "redrive_jobs",
        "redrive_jobs_once",
        "upkeep",
        "list_queues",
        "find_ended",
        "subscribe",
        "unsubscribe",
        "find_jobs",
        "count_jobs",
        "find_actions",
        "find_dead_letters",
        "group_dead_letters",
        "cancel_jobs",
        "retry_jobs",
        "set_priority",
        "comment_job",
        "redrive_dead_letters",
        "resolve_dead_letters",
        "assign_dead_letters",
        "edit_payload",
    },
    "viewer": {
        "schema_info",
        "find_job",
        "find_attempts",
        "list_jobs",
        "queue_depth",
        "list_dead_letters",
        "list_queues",
        "find_ended",
        "subscribe",
        "unsubscribe",
        "find_jobs",
        "count_jobs",
        "find_actions",
        "find_dead_letters",
        "group_dead_letters",
    },
    "publisher": set(),
}
FUNCTIONS = """
    SELECT p.oid, p.proname AS name, p.oid::regprocedure::text AS signature,
           array(SELECT format('NULL::%s', format_type(t.oid, NULL))
                   FROM unnest(p.proargtypes) WITH ORDINALITY a(oid, n) JOIN pg_type t ON t.oid = a.oid ORDER BY a.n) AS nulls
      FROM pg_proc p WHERE p.pronamespace = 'pgqueuer'::regnamespace ORDER BY 3
"""
RELATIONS = """
    SELECT c.relname AS name, c.relkind::text AS kind, quote_ident(a.attname) AS column
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
     WHERE c.relnamespace = 'pgqueuer'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') ORDER BY 1
"""
VIEW = ["TABLE {0}", "SELECT FROM {0}", "SELECT count(*) FROM {0}", "DROP VIEW {0}", "GRANT SELECT ON {0} TO PUBLIC"]
SEQUENCE = ["SELECT nextval('{0}')", "SELECT setval('{0}', 1)", "TABLE {0}", "DROP SEQUENCE {0}"]
TABLE = [
    "TABLE {0}",
    "SELECT FROM {0}",
    "SELECT FROM {0} FOR UPDATE",
    "INSERT INTO {0} DEFAULT VALUES",
    "INSERT INTO {0} SELECT * FROM {0}",
    "UPDATE {0} SET {1} = {1}",
    "DELETE FROM {0}",
    "TRUNCATE {0}",
    "COPY {0} FROM STDIN",
    "DO $$ BEGIN LOCK TABLE {0} IN ACCESS SHARE MODE; END $$",
    "ALTER TABLE {0} ADD COLUMN mine text",
    "CREATE INDEX ON {0} ((1))",
    "CREATE TRIGGER mine BEFORE INSERT ON {0} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO {0} DO ALSO NOTHING",
    "DROP TABLE {0}",
    "GRANT SELECT ON {0} TO PUBLIC",
]


async def refused(connection: asyncpg.Connection, statement: str) -> None:
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return
    pytest.fail(f"this was allowed: {statement}")


async def test_no_table_view_or_sequence_may_be_touched(connection, logins):
    for role in ROLES:
        session = await (await logins.make(role)).connect()
        relations = await connection.fetch(RELATIONS)
        assert {"jobs", "logins", "all_jobs", "job_sequence", "job_history"} <= {
            relation["name"] for relation in relations
        }

        for relation in relations:
            name = f'pgqueuer."{relation["name"]}"'
            verbs = SEQUENCE if relation["kind"] == "S" else VIEW if relation["kind"] == "v" else TABLE
            for verb in verbs:
                await refused(session, verb.format(name, relation["column"]))


async def test_no_function_but_the_few_of_the_role(connection, logins):
    for role in ROLES:
        session = await (await logins.make(role)).connect()
        functions = await connection.fetch(FUNCTIONS)
        assert ALLOWED[role] <= {function["name"] for function in functions}

        for function in functions:
            allowed = await session.fetchval("SELECT has_function_privilege($1::oid, 'EXECUTE')", function["oid"])
            assert allowed == (function["name"] in ALLOWED[role]), function["signature"]
            if not allowed:
                call = f'pgqueuer."{function["name"]}"({", ".join(function["nulls"])})'
                await refused(session, f"SELECT {call}")


async def test_nothing_may_be_put_into_the_schema_or_changed_in_it(logins):
    for role in ROLES:
        session = await (await logins.make(role)).connect()

        await refused(session, "CREATE TABLE pgqueuer.mine ()")
        await refused(session, "CREATE FUNCTION pgqueuer.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        await refused(session, "CREATE TYPE pgqueuer.mine AS ENUM ()")
        await refused(session, "CREATE OPERATOR pgqueuer.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne)")
        await refused(session, "CREATE TABLE public.mine (LIKE pgqueuer.jobs)")
        await refused(session, "ALTER SCHEMA pgqueuer RENAME TO mine")
        await refused(session, "DROP SCHEMA pgqueuer CASCADE")
        await refused(session, "ALTER FUNCTION pgqueuer.schema_info() SECURITY INVOKER")
        await refused(session, "DROP FUNCTION pgqueuer.schema_info()")


async def test_nobody_becomes_somebody_else(connection, logins):
    for role in ROLES:
        login = await logins.make(role)
        session = await login.connect()
        others = {"owner", *ROLES} - {role}

        for other in others:
            await refused(session, f"SET ROLE pgqueuer_{other}")
            await refused(session, f"SET SESSION AUTHORIZATION pgqueuer_{other}")
            await refused(session, f'GRANT pgqueuer_{other} TO "{login.name}"')
        await refused(session, f"SET ROLE {await connection.fetchval('SELECT session_user')}")
        await refused(session, f'ALTER ROLE "{login.name}" SUPERUSER')
        await refused(session, f'GRANT EXECUTE ON FUNCTION pgqueuer.register_login TO "{login.name}"')
        await refused(session, f"SELECT pgqueuer.register_login('{login.name}')")


async def test_logins_without_a_role_see_nothing(connection, logins):
    session = await (await logins.make(None)).connect()

    for function in await connection.fetch(FUNCTIONS):
        await refused(session, f'SELECT pgqueuer."{function["name"]}"({", ".join(function["nulls"])})')
    await refused(session, "SELECT * FROM pgqueuer.jobs")
