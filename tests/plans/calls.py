"""The calls whose cost must not depend on how many jobs wait, and how many buffers each may touch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from casare_rpa.infrastructure.queue.calls import Calls
from tests.plans.measure import CANCEL, ENQUEUE, FIND, HEARTBEAT, ROBOT, SETTLE, START, UPKEEP, fill, hold, jobs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

OFFERS = '{"capabilities": ["sap"]}'
CLAIM = f"SELECT * FROM pgqueuer.claim_jobs($1, $2, 'robot', $3, 1, '{OFFERS}', 30, true)"
OUTCOMES = ("completed", "failed", "business", "released")
SETTLE_AND_CLAIM = Calls("pgqueuer")._claim
DUE = "UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '2 seconds', partitioned_at = clock_timestamp();"
EXPIRED = (
    f"UPDATE pgqueuer.jobs SET lease_expires_at = now() - interval '1 s' WHERE status IN ('CLAIMED', 'RUNNING');{DUE}"
)
RIPE = f"""UPDATE pgqueuer.jobs SET run_at = now() - interval '1 s' WHERE id IN (
    SELECT id FROM pgqueuer.jobs WHERE status = 'PENDING' AND deferred ORDER BY id LIMIT 10);{DUE}"""


def _ids(many: int) -> list[UUID]:
    return [uuid4() for _ in range(many)]


@dataclass
class Known:
    """Ids of a database's jobs; of jobs that are not there, as long as it is empty."""

    claimed: list[UUID] = field(default_factory=lambda: _ids(10))
    claimed_tokens: list[UUID] = field(default_factory=lambda: _ids(10))
    running: list[UUID] = field(default_factory=lambda: _ids(10))
    tokens: list[UUID] = field(default_factory=lambda: _ids(10))
    settled: list[UUID] = field(default_factory=lambda: _ids(2))
    settled_tokens: list[UUID] = field(default_factory=lambda: _ids(2))
    waits: UUID = field(default_factory=uuid4)
    middle: UUID = field(default_factory=uuid4)
    is_dead: UUID = field(default_factory=uuid4)
    is_done: UUID = field(default_factory=uuid4)


async def get_to_know(connection: asyncpg.Connection) -> Known:
    """Let a robot hold 20 jobs of a queue of their own, and look up some ids."""
    await fill(connection, "held", 22)
    settled = await hold(connection, "held", 2)
    await connection.fetch(SETTLE, *settled, ["completed", "business"])
    claimed = await hold(connection, "held", 10)
    await connection.execute("UPDATE pgqueuer.jobs SET status = 'CLAIMED', started_at = NULL WHERE status = 'RUNNING'")
    running = await hold(connection, "held", 10)
    await connection.execute(
        "UPDATE pgqueuer.jobs SET lease_expires_at = now() + interval '1 day' WHERE lease_expires_at IS NOT NULL"
    )
    one = "SELECT id FROM pgqueuer.{} WHERE queue_name = 'letters' ORDER BY id OFFSET {} LIMIT 1"
    waits, middle = [
        await connection.fetchval(
            one.format("jobs", f"(SELECT count(*) / {part} FROM pgqueuer.jobs WHERE queue_name = 'letters')")
        )
        for part in (3, 2)
    ]
    is_dead, is_done = [
        await connection.fetchval(f"SELECT id FROM pgqueuer.{table} WHERE queue_name <> 'held' LIMIT 1")
        for table in ("dead_letter_queue", "job_history")
    ]
    return Known(*claimed, *running, *settled, waits, middle, is_dead, is_done)


@dataclass(frozen=True)
class Call:
    """A call: its SQL, its arguments, what is done before it, and the buffers that it may touch."""

    name: str
    most: int
    sql: str
    arguments: Callable[[Known], tuple[Any, ...]] = lambda _: ()
    before: str = ""


def _enqueue(most: int, jobs: int, **what: Any) -> Call:
    name = f"enqueue_jobs({jobs})" + "".join(f" {word}" for word in what)
    return Call(name, most, ENQUEUE, lambda _: jobs_of("letters", jobs, **what))


def _claim(most: int, jobs: int, queue: str, routes: str) -> Call:
    return Call(f"claim_jobs({jobs}), {routes}", most, CLAIM, lambda _: (queue, jobs, ROBOT))


def _claim_of_a_robot(
    most: int, jobs: int, queue: str, routes: str, settled: int = 0, outcome: str | None = None
) -> Call:
    """Return what a robot calls, which settles with it; no outcome is that all completed."""

    def arguments(k: Known) -> tuple[Any, ...]:
        settle = (k.running[:settled], k.tokens[:settled], outcome and [outcome] * settled) if settled else [None] * 3
        return (queue, jobs, "robot", ROBOT, 1, OFFERS, 30.0, True, True, [], [], *settle, None, None, None, True)

    settling = f"settle({settled}) {outcome or 'completed'} and " if settled else ""
    return Call(f"{settling}claim({jobs}), {routes}", most, SETTLE_AND_CLAIM, arguments)


def _settle(most: int, jobs: int, outcome: str) -> Call:
    return Call(
        f"settle_jobs({jobs}) {outcome}", most, SETTLE, lambda k: (k.running[:jobs], k.tokens[:jobs], [outcome] * jobs)
    )


def _settled(most: int, outcome: str, at: int) -> Call:
    return Call(
        f"settle_jobs(1) {outcome}, again", most, SETTLE, lambda k: ([k.settled[at]], [k.settled_tokens[at]], [outcome])
    )


def _find(most: int, where: str, find: Callable[[Known], UUID]) -> Call:
    return Call(f"find_job that {where}", most, FIND, lambda k: (find(k),))


HOT = (
    _enqueue(40, 1),
    _enqueue(40, 1, reference="new"),
    _enqueue(1900, 100),
    _enqueue(2400, 100, reference="new"),
    _claim(45, 1, "letters", "one route"),
    _claim(200, 10, "letters", "one route"),
    _claim(2000, 100, "letters", "one route"),
    _claim(450, 10, "invoices", "40 routes"),
    Call("claim_jobs(10), nothing there", 20, CLAIM, lambda _: ("nothing", 10, ROBOT)),
    Call("start_jobs(10)", 200, START, lambda k: (k.claimed, k.claimed_tokens)),
    Call("heartbeat(10)", 220, HEARTBEAT, lambda k: (ROBOT, "held", k.running, k.tokens)),
    _settle(25, 1, "completed"),
    _settle(170, 10, "completed"),
    *(_settle(45, 1, outcome) for outcome in OUTCOMES[1:]),
    *(_settle(400, 10, outcome) for outcome in OUTCOMES[1:]),
    _settled(35, "completed", 0),
    _settled(35, "business", 1),
    _claim_of_a_robot(45, 1, "letters", "one route"),
    _claim_of_a_robot(220, 10, "letters", "one route"),
    _claim_of_a_robot(450, 10, "invoices", "40 routes"),
    _claim_of_a_robot(20, 10, "nothing", "nothing there"),
    _claim_of_a_robot(60, 1, "letters", "one route", 1),
    _claim_of_a_robot(370, 10, "letters", "one route", 10),
    _claim_of_a_robot(600, 10, "letters", "one route", 10, "failed"),
    Call("upkeep", 150, UPKEEP, before=DUE),
    Call("upkeep, 20 leases ran out", 1200, UPKEEP, before=EXPIRED),
    Call("upkeep, 10 jobs are due", 600, UPKEEP, before=RIPE),
    Call("cancel_job", 60, CANCEL, lambda k: (k.waits,)),
    _find(60, "waits", lambda k: k.waits),
    _find(60, "is dead", lambda k: k.is_dead),
    _find(60, "is done", lambda k: k.is_done),
    _find(60, "is nowhere", lambda _: uuid4()),
    Call("find_attempts", 90, "SELECT * FROM pgqueuer.find_attempts($1)", lambda k: (k.settled[1],)),
    # Before PostgreSQL 17 each id is looked up by itself in each week of history.
    Call(
        "find_ended(100)", 3000, "SELECT * FROM pgqueuer.find_ended($1)", lambda k: ([*k.settled, k.waits, *_ids(97)],)
    ),
    Call("purge_waiting(100)", 2000, "SELECT * FROM pgqueuer.purge_waiting('letters', 100)"),
    Call("pause_queue", 30, "SELECT pgqueuer.pause_queue('letters')"),
    Call("resume_queue", 30, "SELECT pgqueuer.resume_queue('letters')"),
)


def _listing(name: str, most: int, **where: Any) -> Call:
    return Call(f"find_jobs {name}", most, "SELECT * FROM pgqueuer.find_jobs($1, 100)", lambda k: (_json(where, k),))


def _later(name: str, most: int, **where: Any) -> Call:
    sql = "SELECT * FROM pgqueuer.find_jobs($1, 100, $2)"
    return Call(f"find_jobs {name}, a later page", most, sql, lambda k: (_json(where, k), k.middle))


def _letters(name: str, most: int, **where: Any) -> Call:
    sql = "SELECT * FROM pgqueuer.find_dead_letters($1, 100)"
    return Call(f"find_dead_letters {name}", most, sql, lambda k: (_json(where, k),))


def _groups(name: str, most: int, **where: Any) -> Call:
    return Call(
        f"group_dead_letters {name}",
        most,
        "SELECT * FROM pgqueuer.group_dead_letters($1)",
        lambda k: (_json(where, k),),
    )


def _json(where: dict[str, Any], known: Known) -> str:
    """Return a filter; a function in it finds an id."""
    return json.dumps(where, default=lambda find: [str(each) for each in find(known)])


def _bulk(function: str, most: int, *arguments: str, **where: Any) -> Call:
    words = "".join(f", {each}" for each in arguments)
    sql = f"SELECT * FROM pgqueuer.{function}($1{words}, 100)"
    return Call(f"{function}(100 {' '.join(where)})", most, sql, lambda k: (_json(where, k),))


PAGE = 2500
"""Of a listing that finds enough at once: a page of 100 jobs from each of three tables."""
LOOK = 9000
"""Of one that looks at 20,000 rows of each of three tables and gives up for now."""
NOTHING = 300
"""Of one that asks for a tenant without jobs, and meets no other's."""
BUSY = {"queue_name": "invoices"}
LISTINGS = (
    Call("list_queues", 12_000, "SELECT * FROM pgqueuer.list_queues()"),
    Call("list_queues of one queue", 6000, "SELECT * FROM pgqueuer.list_queues('letters')"),
    _listing("of all", PAGE),
    _listing("by queue", PAGE, queue_name="letters"),
    _listing("by a small queue", LOOK, queue_name="queue 85"),
    _listing("by status PENDING", PAGE, status="PENDING"),
    _listing("by status RUNNING", PAGE, status=["RUNNING", "CLAIMED"]),
    _listing("by status COMPLETED", PAGE, status="COMPLETED"),
    _listing("by status FAILED", PAGE, status="FAILED"),
    _listing("by workflow", PAGE, workflow="workflow 3"),
    _listing("by tenant", PAGE, tenant_id="acme"),
    _listing("by tags", LOOK, tags=["month end"]),
    _listing("by metadata", LOOK, metadata={"branch": 7}),
    _listing("by robot that holds jobs", LOOK, robot="robot"),
    _listing("by reference", PAGE, reference="R-1", queue_name="letters"),
    _listing("by reference, of any queue", PAGE, reference="R-1"),
    _listing("by since", PAGE, since="2030-01-01T00:00:00Z"),
    _listing("by until", LOOK, until="2020-01-01T00:00:00Z"),
    _listing("by error", LOOK, error="NO FIELD 1"),
    _listing("by reason", LOOK, reason="business"),
    _listing("by shape", LOOK, shape="the form has no field <n>"),
    _listing("by assigned_to", LOOK, assigned_to="ann"),
    _listing("by 20 ids", PAGE, ids=lambda k: [*k.running, *k.claimed]),
    _listing("that nothing fits", LOOK, workflow="none"),
    _later("of all", PAGE),
    _later("by queue", PAGE, queue_name="letters"),
    _later("by metadata", LOOK, metadata={"branch": 7}),
    _listing("of a tenant that nothing fits", LOOK, tenant_id="acme", workflow="none"),
    _listing("of a tenant without jobs", NOTHING, tenant_id="initech", workflow="none"),
    _later("of a tenant without jobs", NOTHING, tenant_id="initech", workflow="none"),
    _letters("of a tenant without jobs", NOTHING, tenant_id="initech", workflow="none"),
    _groups("of a tenant without jobs", NOTHING, tenant_id="initech", workflow="none"),
    Call(
        "count_jobs of a tenant without jobs",
        NOTHING,
        "SELECT * FROM pgqueuer.count_jobs($1)",
        lambda k: (_json({"tenant_id": "initech"}, k),),
    ),
    Call("count_jobs of a queue", LOOK, "SELECT * FROM pgqueuer.count_jobs($1)", lambda k: (_json(BUSY, k),)),
    _letters("of all", PAGE),
    _letters("by queue", PAGE, queue_name="letters"),
    _letters("by reason", PAGE, reason="business"),
    _letters("by assigned_to", PAGE, assigned_to="ann"),
    _letters("by shape", PAGE, shape="the form has no field <n>"),
    _letters("that nothing fits", LOOK, workflow="none"),
    _groups("of all", 8000),
    _groups("of a queue", 8000, queue_name="letters"),
    Call("edit_payload", 60, "SELECT pgqueuer.edit_payload($1, '{}')", lambda k: (k.is_dead,)),
    Call("comment_job", 60, "SELECT pgqueuer.comment_job($1, 'seen')", lambda k: (k.waits,)),
    Call("find_actions", 60, "SELECT * FROM pgqueuer.find_actions($1)", lambda k: (k.waits,)),
    _bulk("cancel_jobs", 5000, queue_name="letters"),
    _bulk("cancel_jobs", LOOK, queue_name="letters", metadata={"branch": 7}),
    _bulk("retry_jobs", 5000, queue_name="letters"),
    _bulk("set_priority", 5000, "7", queue_name="letters"),
    _bulk("redrive_dead_letters", 5000, queue_name="letters"),
    _bulk("resolve_dead_letters", 5000, "'done by hand'", queue_name="letters"),
    _bulk("assign_dead_letters", 5000, "'ann'", queue_name="letters"),
    _bulk("purge_dead_letters", 5000, queue_name="letters"),
)
