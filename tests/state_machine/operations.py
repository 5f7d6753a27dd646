"""Every operation of the state machine as a call to the real functions, on a connection of the caller's choice
(whose search path is the schema).

Each takes the case it acts on and answers in one word; a refusal by an error answers with the error's name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg

from casare_rpa.foundation.errors import CasareError
from casare_rpa.infrastructure.postgres.faults import translate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

QUEUE = "invoices"
REFERENCE = "invoice 7"
VISIBILITY = 2.0
"""Seconds that a claim lasts here."""


@dataclass
class Case:
    """One job, the robot that holds or held it, and how operations on it are to be called."""

    template: dict[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=uuid4)
    reference: str | None = REFERENCE
    run_at: datetime | None = None
    holder: UUID = field(default_factory=uuid4)
    other: UUID = field(default_factory=uuid4)
    token: UUID = field(default_factory=uuid4)
    ended_token: UUID = field(default_factory=uuid4)
    offers: str = '{"capabilities": ["sap"]}'
    retry_in: float | None = None
    requests: int = 0


async def perform(operation: str, connection: asyncpg.Connection, case: Case) -> str:
    """Call the operation and return its answer.

    Raises:
        asyncpg.PostgresError: something that is no answer, for example a deadlock.

    """
    try:
        return await _OPERATIONS[operation](connection, case)
    except asyncpg.PostgresError as error:
        meaning = translate(error)
        if isinstance(meaning, CasareError) and (error.sqlstate or "").startswith("CR"):
            return type(meaning).__name__
        raise


async def claim(connection: asyncpg.Connection, case: Case, robot: UUID, *, start: bool = False) -> UUID | None:
    """Claim for a robot whatever there is, and return the token of the case's job if it is among it."""
    case.requests += 1
    rows = await connection.fetch(
        "SELECT id, lease_token FROM claim_jobs(p_queue => $1, p_limit => 10, p_robot => $2, p_incarnation => $3, "
        "p_request => $4, p_offers => $5, p_visibility => $6, p_start => $7)",
        QUEUE,
        f"robot {robot}",
        robot,
        case.requests,
        case.offers,
        VISIBILITY,
        start,
    )
    return next((row["lease_token"] for row in rows if row["id"] == case.id), None)


async def settle(
    connection: asyncpg.Connection, job_id: UUID | None, token: UUID | None, outcome: str, retry_in: float | None = None
) -> str:
    """Settle by hand; the answer is the job's status, or LeaseLost."""
    rows = await connection.fetch(
        "SELECT status FROM settle_jobs(p_ids => $1, p_tokens => $2, p_outcomes => $3, p_errors => $4, p_retry_ins => $5)",
        [job_id],
        [token],
        [outcome],
        ["the ERP was down" if outcome in {"failed", "business"} else None],
        [retry_in],
    )
    return (rows[0]["status"] or "LeaseLost") if rows else "COMPLETED"


async def start(connection: asyncpg.Connection, job_id: UUID | None, token: UUID | None) -> str:
    """Start by hand."""
    return "started" if await connection.fetch("SELECT FROM start_jobs($1, $2)", [job_id], [token]) else "LeaseLost"


async def heartbeat(
    connection: asyncpg.Connection, robot: UUID, held: dict[UUID | None, UUID | None], ceiling: int
) -> str:
    """Send a heartbeat for leases that are thought to be held (one at most); without any the answer is `done`."""
    row = await connection.fetchrow(
        "SELECT lost, cancelled FROM heartbeat(p_robot => $1, p_incarnation => $2, p_queue => $3, p_ids => $4, "
        "p_tokens => $5, p_ceiling => $6, p_in_flight => '{}')",
        f"robot {robot}",
        robot,
        QUEUE,
        list(held),
        list(held.values()),
        ceiling,
    )
    if not held:
        return "done"
    return "lost" if row["lost"] else "asked" if row["cancelled"] else "kept"


async def _enqueue(
    connection: asyncpg.Connection, case: Case, job_id: UUID, *, resent: bool = False, template: Any = None
) -> str:
    await connection.execute(
        "SELECT enqueue_jobs(p_templates => $1, p_template => NULL, p_ids => $2, p_payloads => $3, p_references => $4, "
        "p_run_ats => $5, p_resent => $6, p_notify => true)",
        json.dumps([{"workflow": "pay", "queue_name": QUEUE, **(template or case.template)}]),
        [job_id],
        ['{"invoice": 7}'],
        [case.reference],
        [case.run_at],
        resent,
    )
    return "enqueued"


async def _enqueue_same_reference(connection: asyncpg.Connection, case: Case) -> str:
    return await _enqueue(connection, case, uuid4(), template={"requirements": {"pool": "elsewhere"}})


async def _claim(connection: asyncpg.Connection, case: Case) -> str:
    return "claimed" if await claim(connection, case, case.other) else "nothing"


async def _claim_and_start(connection: asyncpg.Connection, case: Case) -> str:
    return "claimed" if await claim(connection, case, case.other, start=True) else "nothing"


async def _heartbeat(connection: asyncpg.Connection, case: Case) -> str:
    return await heartbeat(connection, case.holder, {case.id: case.token}, case.requests)


async def _heartbeat_without(connection: asyncpg.Connection, case: Case) -> str:
    return await heartbeat(connection, case.holder, {}, case.requests)


async def _upkeep(connection: asyncpg.Connection, _: Case) -> str:
    await connection.execute("SELECT upkeep()")
    return "done"


async def _cancel(connection: asyncpg.Connection, case: Case) -> str:
    return "true" if await connection.fetchval("SELECT cancel_job($1)", case.id) else "false"


async def _purge(connection: asyncpg.Connection, _: Case) -> str:
    return str(await connection.fetchval("SELECT purge_queue($1)", QUEUE))


async def _redrive(connection: asyncpg.Connection, case: Case) -> str:
    return "redriven" if await connection.fetch("SELECT redrive_jobs($1)", [case.id]) else "nothing"


async def _pause(connection: asyncpg.Connection, _: Case) -> str:
    await connection.execute("SELECT pause_queue($1)", QUEUE)
    return "done"


async def _resume(connection: asyncpg.Connection, _: Case) -> str:
    await connection.execute("SELECT resume_queue($1)", QUEUE)
    return "done"


async def _enqueue_again(connection: asyncpg.Connection, case: Case) -> str:
    """Send once more whenever the first sending turns out to be under way: that is what the database asks for."""
    for _ in range(3):
        try:
            return await _enqueue(connection, case, case.id, resent=True)
        except (asyncpg.SerializationError, asyncpg.UniqueViolationError):
            continue
    return "never"


_OPERATIONS: dict[str, Callable[[asyncpg.Connection, Case], Awaitable[str]]] = {
    "enqueue": lambda c, case: _enqueue(c, case, case.id),
    "enqueue again": _enqueue_again,
    "enqueue same reference": _enqueue_same_reference,
    "claim": _claim,
    "claim and start": _claim_and_start,
    "start": lambda c, case: start(c, case.id, case.token),
    "complete": lambda c, case: settle(c, case.id, case.token, "completed"),
    "fail": lambda c, case: settle(c, case.id, case.token, "failed", case.retry_in),
    "fail for business": lambda c, case: settle(c, case.id, case.token, "business"),
    "release": lambda c, case: settle(c, case.id, case.token, "released"),
    "settle again": lambda c, case: settle(c, case.id, case.ended_token, "released"),
    "heartbeat": _heartbeat,
    "heartbeat without it": _heartbeat_without,
    "upkeep": _upkeep,
    "cancel": _cancel,
    "purge": _purge,
    "redrive": _redrive,
    "pause": _pause,
    "resume": _resume,
}
