"""What a search says of the rows that it has looked at: of others' jobs neither the ids, nor the number, nor whether they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from tests.infrastructure.workplace import bury, complete

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

FILTERS: list[dict[str, Any]] = [
    {},
    {"workflow": "w"},
    {"reference": "R"},
    {"reference": "R", "queue_name": "payroll"},
    {"status": "RUNNING"},
    {"status": ["CLAIMED", "RUNNING"], "workflow": "x"},
    {"robot": "r"},
    {"tenant_id": "globex"},
    {"queue_name": "payroll"},
    {"reason": "business"},
]


@pytest.fixture
async def others(config, producer) -> AsyncIterator[set[UUID]]:
    """Jobs in every place that belong to the tenant globex and to the queue payroll."""
    theirs: dict[str, Any] = {"tenant_id": "globex", "queue_name": "payroll"}
    payroll = config.model_copy(update={"queue_name": "payroll"})
    found = {*await bury(config, "1", "2", **theirs), *await complete(payroll, 2, **theirs)}
    async with PgQueuerConsumer(payroll, "r") as robot:
        held = await producer.enqueue_job(JobModel(workflow="w", **theirs))
        await robot.claim_job()
        found |= {held, await producer.enqueue_job(JobModel(workflow="w", reference="R", **theirs))}
        yield found


@pytest.fixture(params=[{"tenant": "acme"}, {"queues": ["invoices"]}, {"tenant": "acme", "queues": ["invoices", "x"]}])
async def session(request, logins) -> asyncpg.Connection:
    return await (await logins.make("producer", **request.param)).connect()


CALLS = {
    "find_jobs": "SELECT id, resume_after, examined FROM pgqueuer.find_jobs($1, 10, $2, 1)",
    "count_jobs": "SELECT NULL::uuid AS id, resume_after, examined FROM pgqueuer.count_jobs($1, $2, 1)",
    "find_dead_letters": """SELECT id, resume_after, examined FROM pgqueuer.find_dead_letters(
                                $1, 1, CASE WHEN $2::uuid IS NOT NULL THEN now() END, $2)""",
    "group_dead_letters": """SELECT example_id AS id, NULL::uuid AS resume_after, coalesce(examined, 0) AS examined
                               FROM pgqueuer.group_dead_letters($1) WHERE $2::uuid IS NULL""",
    "cancel_jobs": "SELECT id, resume_after, examined FROM pgqueuer.cancel_jobs($1, 1, $2, true)",
    "retry_jobs": "SELECT id, resume_after, examined FROM pgqueuer.retry_jobs($1, 1, $2, true)",
    "set_priority": "SELECT id, resume_after, examined FROM pgqueuer.set_priority($1, 9, 1, $2, true)",
    "redrive": "SELECT id, resume_after, examined FROM pgqueuer.redrive_dead_letters($1, 1, $2, true)",
    "resolve": "SELECT id, resume_after, examined FROM pgqueuer.resolve_dead_letters($1, 'x', 1, $2, true)",
    "assign": "SELECT id, resume_after, examined FROM pgqueuer.assign_dead_letters($1, 'x', 1, $2, true)",
}


@pytest.mark.parametrize("call", CALLS)
async def test_nothing_is_told_of_others_jobs(others, session, call) -> None:
    ids = {"ids": [str(job_id) for job_id in others]}
    for keys in (*FILTERS, ids, ids | {"status": "PENDING"}):
        if not keys and call not in {"find_jobs", "count_jobs", "find_dead_letters", "group_dead_letters"}:
            continue  # what is done to many must name something
        found, ends, examined = await walk(session, CALLS[call], keys)
        assert found == [], keys
        assert "ids" in keys or not others & set(ends), keys  # of ids that it names itself a page may end at any
        assert examined == 0, keys


@pytest.mark.parametrize("call", CALLS)
async def test_ones_own_are_examined_and_found_beside_others(config, others, producer, session, call) -> None:
    mine: dict[str, Any] = {"tenant_id": "acme", "queue_name": "invoices"}
    [dead] = await bury(config, "mine", **mine)
    [done] = await complete(config.model_copy(update={"queue_name": "invoices"}), 1, **mine)
    waiting = await producer.enqueue_job(JobModel(workflow="w", retry_delay=900, **mine))
    own = {dead, done, waiting}
    found, ends, examined = await walk(session, CALLS[call], {"workflow": "w"})
    assert set(found) <= own
    assert not others & set(ends)
    alone = {"find_jobs": own, "find_dead_letters": {dead}, "group_dead_letters": {dead}}
    if call in alone:
        assert set(found) == alone[call]
    if call in {
        "count_jobs",
        "group_dead_letters",
        "find_dead_letters",
    }:  # elsewhere a page may look at a row once more
        assert examined == (3 if call == "count_jobs" else 1)


async def test_a_walk_of_a_tenant_meets_its_own_rows_alone(others, producer, logins) -> None:
    """With a budget of one row, each page of a tenant's login finds one of its jobs."""
    mine = [await producer.enqueue_job(JobModel(workflow="w", tenant_id="acme")) for _ in range(3)]
    await producer.enqueue_batch([JobModel(workflow="w", tenant_id="globex") for _ in range(50)])
    session = await (await logins.make("viewer", tenant="acme")).connect()
    found, ends, examined = await walk(session, CALLS["find_jobs"], {})
    assert found == mine[::-1]
    assert set(ends) <= set(mine)
    assert examined == 3


async def walk(session: asyncpg.Connection, sql: str, keys: dict[str, Any]) -> tuple[list[UUID], list[UUID], int]:
    """Go from page to page; return what was found, where the pages ended, and what was examined in all."""
    found: list[UUID] = []
    ends: list[UUID] = []
    examined, after = 0, None
    for _ in range(100):
        rows = await session.fetch(sql, json.dumps(keys), after)
        found += [row["id"] for row in rows if row["id"] is not None]
        examined += sum(row["examined"] or 0 for row in rows)
        after = rows[-1]["resume_after"] if rows else None
        if after is None:
            return found, ends, examined
        ends.append(after)
    raise AssertionError(f"{keys} has no end")
