"""The only module that speaks SQL to the queue: one method for each function of the schema.

Every method takes the connection to speak on and returns what the database said, in Python's types. Faults leave it as asyncpg
raised them; who calls decides whether to try again (see `patience`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    Rows = list[asyncpg.Record]

    from casare_rpa.infrastructure.queue.batches import Batch

_COLUMNS_OF_A_CLAIM = 29


class ClaimArguments(NamedTuple):
    """The arguments of `claim_jobs`, in its order."""

    queue: str
    limit: int
    robot: str
    incarnation: UUID
    request: int
    offers: str
    visibility_timeout: float
    start: bool
    look_back: bool
    floor_routes: list[int]
    floors: list[int]


class SettleArguments(NamedTuple):
    """The arguments of `settle_jobs`, in its order."""

    ids: Sequence[UUID]
    tokens: Sequence[UUID]
    outcomes: Sequence[str]
    results: Sequence[str | None] | None
    errors: Sequence[str | None] | None
    retry_ins: Sequence[float | None] | None
    enable_dlq: bool


class Calls:
    """Calls the functions of one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._enqueue = self._rows("enqueue_jobs", 9)
        # A caller's own connection may have codecs of its own for jsonb: it is given text.
        self._enqueue_as_text = self._enqueue.replace("$1", "$1::text::jsonb").replace("$4", "$4::text[]::jsonb[]")
        self._claim = self._rows("claim_jobs", 11)
        self._settle = self._rows("settle_jobs", 7)
        self._heartbeat = self._rows("heartbeat", 7)
        nothing = ", ".join(["NULL"] * _COLUMNS_OF_A_CLAIM)
        self._settle_and_claim = (
            f"SELECT NULL::integer AS settled_ordinal, NULL::text AS settled_status, c.* FROM ({self._claim}) c UNION ALL "  # noqa: S608
            f"SELECT s.ordinal, s.status, {nothing} FROM ({self._rows('settle_jobs', 7, after=11)}) s"
        )

    def _rows(self, function: str, arguments: int, after: int = 0) -> str:
        places = ", ".join(f"${n}" for n in range(after + 1, after + arguments + 1))
        # A schema's name is checked by QueueConfig, a function's is written in this file.
        return f'SELECT * FROM "{self._schema}".{function}({places})'  # noqa: S608

    async def schema_info(self, connection: asyncpg.Connection) -> asyncpg.Record:
        return await connection.fetchrow(self._rows("schema_info", 0))

    async def enqueue(
        self,
        connection: asyncpg.Connection,
        batch: Batch,
        *,
        each: bool,
        resent: bool = False,
        of_the_caller: bool = False,
    ) -> Rows:
        """Enqueue; on a connection `of_the_caller`, robots are told by the function itself, at the caller's commit."""
        return await self._fetch(
            connection,
            self._enqueue_as_text if of_the_caller else self._enqueue,
            batch.templates,
            batch.template,
            batch.ids,
            batch.payloads,
            batch.references,
            batch.run_ats,
            each,
            resent,
            of_the_caller,
        )

    async def announce(self, connection: asyncpg.Connection, jobs_by_queue: dict[str, int]) -> int:
        queues, jobs = list(jobs_by_queue), list(jobs_by_queue.values())
        return int(await connection.fetchval(self._rows("announce_jobs", 2), queues, jobs))

    async def wait_for_jobs(self, connection: asyncpg.Connection, queue: str) -> bool:
        return bool(await connection.fetchval(self._rows("wait_for_jobs", 1), queue))

    async def stop_waiting_for_jobs(self, connection: asyncpg.Connection, queue: str) -> None:
        await connection.fetch(self._rows("stop_waiting_for_jobs", 1), queue)

    async def claim(self, connection: asyncpg.Connection, claim: ClaimArguments) -> Rows:
        return await self._fetch(connection, self._claim, *claim)

    async def settle(self, connection: asyncpg.Connection, settle: SettleArguments) -> Rows:
        return await self._fetch(connection, self._settle, *settle)

    async def settle_and_claim(
        self, connection: asyncpg.Connection, settle: SettleArguments, claim: ClaimArguments
    ) -> Rows:
        """Do both in one transaction; rows of settlements have a `settled_ordinal` and a `settled_status`."""
        return await self._fetch(connection, self._settle_and_claim, *claim, *settle)

    async def start(self, connection: asyncpg.Connection, ids: Sequence[UUID], tokens: Sequence[UUID]) -> Rows:
        return await self._fetch(connection, self._rows("start_jobs", 2), ids, tokens)

    async def heartbeat(
        self,
        connection: asyncpg.Connection,
        robot: str,
        incarnation: UUID,
        queue: str,
        held: dict[UUID, UUID],
        ceiling: int,
        in_flight: Sequence[int],
    ) -> asyncpg.Record:
        return await connection.fetchrow(
            self._heartbeat, robot, incarnation, queue, list(held), list(held.values()), ceiling, list(in_flight)
        )

    async def channels(self, connection: asyncpg.Connection, queue: str, incarnation: UUID) -> tuple[str, str]:
        row = await connection.fetchrow(self._rows("channels", 2), queue, incarnation)
        return row["queue"], row["robot"]

    async def upkeep(self, connection: asyncpg.Connection) -> float:
        return float(await connection.fetchval(f'SELECT "{self._schema}".upkeep()'))

    async def cancel(self, connection: asyncpg.Connection, job_id: UUID) -> bool:
        return bool(await connection.fetchval(f'SELECT "{self._schema}".cancel_job($1)', job_id))

    async def find_job(self, connection: asyncpg.Connection, job_id: UUID) -> asyncpg.Record | None:
        return await connection.fetchrow(self._rows("find_job", 1), job_id)

    async def find_attempts(self, connection: asyncpg.Connection, job_id: UUID) -> Rows:
        return await self._fetch(connection, self._rows("find_attempts", 1), job_id)

    async def list_jobs(self, connection: asyncpg.Connection, *filters: Any) -> Rows:
        return await self._fetch(connection, self._rows("list_jobs", 6), *filters)

    async def list_dead_letters(self, connection: asyncpg.Connection, *filters: Any) -> Rows:
        return await self._fetch(connection, self._rows("list_dead_letters", 3), *filters)

    async def redrive(self, connection: asyncpg.Connection, ids: Sequence[UUID]) -> list[UUID]:
        return [row[0] for row in await self._fetch(connection, self._rows("redrive_jobs", 1), ids)]

    async def queue_depth(self, connection: asyncpg.Connection, queue: str) -> int:
        return int(await connection.fetchval(f'SELECT "{self._schema}".queue_depth($1)', queue))

    async def purge(self, connection: asyncpg.Connection, queue: str) -> int:
        return int(await connection.fetchval(f'SELECT "{self._schema}".purge_queue($1)', queue))

    async def pause(self, connection: asyncpg.Connection, queue: str) -> None:
        await connection.fetch(self._rows("pause_queue", 1), queue)

    async def resume(self, connection: asyncpg.Connection, queue: str) -> None:
        await connection.fetch(self._rows("resume_queue", 1), queue)

    async def _fetch(self, connection: asyncpg.Connection, sql: str, *arguments: Any) -> Rows:
        rows: Rows = await connection.fetch(sql, *arguments)
        return rows
