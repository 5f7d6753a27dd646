"""Every operation of the state machine as a call to the real functions, on a connection of the caller's choice or on the queue in
memory.

Each takes the case it acts on and answers in one word; a refusal by an error answers with the error's name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from casare_rpa.foundation.errors import CasareError
from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.queue.batches import Batch
from casare_rpa.infrastructure.queue.calls import Calls, ClaimArguments, ClaimedRow, SettleArguments
from tests.state_machine.memory import Hand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

QUEUE = "invoices"
REFERENCE = "invoice 7"
VISIBILITY = 2.0
"""Seconds that a claim lasts here."""


Connection: TypeAlias = "asyncpg.Connection | Hand"
_POSTGRES = Calls("pgqueuer")


def calls_of(connection: Connection) -> Calls:
    """Return the calls that can be made on a connection."""
    return connection.calls if isinstance(connection, Hand) else _POSTGRES


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


async def perform(operation: str, connection: Connection, case: Case) -> str:
    """Call the operation and return its answer.

    Raises:
        asyncpg.PostgresError: something that is no answer, for example a deadlock.

    """
    try:
        return await _OPERATIONS[operation](connection, case)
    except CasareError as error:
        return type(error).__name__
    except asyncpg.PostgresError as error:
        meaning = translate(error)
        if isinstance(meaning, CasareError) and (error.sqlstate or "").startswith("CR"):
            return type(meaning).__name__
        raise


async def claim(connection: Connection, case: Case, robot: UUID, *, start: bool = False) -> UUID | None:
    """Claim for a robot whatever there is, and return the token of the case's job if it is among it."""
    case.requests += 1
    claim = ClaimArguments(
        *(QUEUE, 10, f"robot {robot}", robot, case.requests, case.offers, VISIBILITY, start, True, [], [])
    )
    reply = await calls_of(connection).claim(connection, claim)
    rows = [ClaimedRow._make(row[: len(ClaimedRow._fields)]) for row in reply.rows]
    return next((row.lease_token for row in rows if row.id == case.id), None)


async def settle(
    connection: Connection, job_id: UUID | None, token: UUID | None, outcome: str, retry_in: float | None = None
) -> str:
    """Settle by hand; the answer is the job's status, or LeaseLost."""
    ids: list[Any] = [job_id]  # one may be missing on purpose
    tokens: list[Any] = [token]
    error = "the ERP was down" if outcome in {"failed", "business"} else None
    rows = await calls_of(connection).settle(
        connection, SettleArguments(ids, tokens, [outcome], None, [error], [retry_in], True)
    )
    return (rows[0]["status"] or "LeaseLost") if rows else "COMPLETED"


async def start(connection: Connection, job_id: UUID | None, token: UUID | None) -> str:
    """Start by hand."""
    ids: list[Any] = [job_id]  # one may be missing on purpose
    tokens: list[Any] = [token]
    return "started" if await calls_of(connection).start(connection, ids, tokens) else "LeaseLost"


async def heartbeat(connection: Connection, robot: UUID, held: dict[Any, Any], ceiling: int) -> str:
    """Send a heartbeat for leases that are thought to be held (one at most); without any the answer is `done`."""
    row = await calls_of(connection).heartbeat(connection, f"robot {robot}", robot, QUEUE, held, ceiling, [])
    if not held:
        return "done"
    return "lost" if row["lost"] else "asked" if row["cancelled"] else "kept"


async def _enqueue(
    connection: Connection, case: Case, job_id: UUID, *, resent: bool = False, template: Any = None
) -> str:
    templates = json.dumps([{"workflow": "pay", "queue_name": QUEUE, **(template or case.template)}])
    batch = Batch(templates, None, [job_id], ['{"invoice": 7}'], [case.reference], [case.run_at])
    told_at_commit = not isinstance(connection, Hand)
    await calls_of(connection).enqueue(connection, batch, each=False, resent=resent, of_the_caller=told_at_commit)
    return "enqueued"


async def _enqueue_same_reference(connection: Connection, case: Case) -> str:
    return await _enqueue(connection, case, uuid4(), template={"requirements": {"pool": "elsewhere"}})


async def _claim(connection: Connection, case: Case) -> str:
    return "claimed" if await claim(connection, case, case.other) else "nothing"


async def _claim_and_start(connection: Connection, case: Case) -> str:
    return "claimed" if await claim(connection, case, case.other, start=True) else "nothing"


async def _heartbeat(connection: Connection, case: Case) -> str:
    return await heartbeat(connection, case.holder, {case.id: case.token}, case.requests)


async def _heartbeat_without(connection: Connection, case: Case) -> str:
    return await heartbeat(connection, case.holder, {}, case.requests)


async def _upkeep(connection: Connection, _: Case) -> str:
    await calls_of(connection).upkeep(connection)
    return "done"


async def _cancel(connection: Connection, case: Case) -> str:
    return "true" if await calls_of(connection).cancel(connection, case.id, uuid4()) else "false"


async def _purge(connection: Connection, _: Case) -> str:
    return str(await calls_of(connection).purge(connection, QUEUE))


async def _redrive(connection: Connection, case: Case) -> str:
    return "redriven" if await calls_of(connection).redrive(connection, [case.id], uuid4()) else "nothing"


async def _pause(connection: Connection, _: Case) -> str:
    await calls_of(connection).pause(connection, QUEUE)
    return "done"


async def _resume(connection: Connection, _: Case) -> str:
    await calls_of(connection).resume(connection, QUEUE)
    return "done"


async def _enqueue_again(connection: Connection, case: Case) -> str:
    """Send once more whenever the first sending turns out to be under way: that is what the database asks for."""
    for _ in range(3):
        try:
            return await _enqueue(connection, case, case.id, resent=True)
        except (asyncpg.SerializationError, asyncpg.UniqueViolationError):
            continue
    return "never"


_OPERATIONS: dict[str, Callable[[Connection, Case], Awaitable[str]]] = {
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
