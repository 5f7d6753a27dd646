"""The only module that speaks SQL to the queue: one method for each function of the schema.

Every method takes the connection to speak on and returns what the database said, in Python's types. Faults leave it as asyncpg
raised them; who calls decides whether to try again (see `patience`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from casare_rpa.infrastructure.queue.pages import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    Rows = list[asyncpg.Record]

    from casare_rpa.infrastructure.queue.batches import Batch

_PURGED_AT_A_TIME = 10_000


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
    """The arguments of `settle_jobs`, in its order; with a claim, no outcomes are that all completed."""

    ids: Sequence[UUID]
    tokens: Sequence[UUID]
    outcomes: Sequence[str] | None
    results: Sequence[str | None] | None
    errors: Sequence[str | None] | None
    retry_ins: Sequence[float | None] | None
    enable_dlq: bool


_NOTHING_TO_SETTLE = (None, None, None, None, None, None, True)


class ClaimedRow(NamedTuple):
    """A job that was claimed. Rows of `settle_and_claim` begin with these columns, in this order."""

    id: UUID
    seq: int
    route_id: int
    lease_token: UUID
    lease_seconds: float
    attempt: int
    created_at: datetime
    workflow: str
    payload: str
    priority: int
    tenant_id: str | None
    tags: list[str] | None
    metadata: str | None
    reference: str | None
    run_at: datetime | None
    max_retries: int
    retry_delay: float
    visibility_timeout: float | None
    time_limit: float | None
    on_crash: str
    requirements: str | None
    error: str | None


class ClaimReply(NamedTuple):
    """What a claim brought: the jobs, in no order, and what was settled with it without completing, (number from 1, status)."""

    rows: Sequence[Sequence[Any]]
    """Each begins as a `ClaimedRow`."""
    settled: list[tuple[int, str | None]]
    claimed_at: datetime
    request_xid: int | None
    oldest_xid: int
    next_due: datetime | None


class BulkPage(NamedTuple):
    """Which page of what matches something is done to: jobs at most, the id to go on after, and whether only to look.

    `request` is the page's own id: sent again with it, a page does nothing more and is answered with what it did.
    """

    limit: int
    after: UUID | None
    dry_run: bool
    request: UUID | None


def event_channel(channel: UUID) -> str:
    """Return the name that PostgreSQL has for a channel of events."""
    return f"casare_e_{channel.hex}"


class Calls:
    """Calls the functions of one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._enqueue = self._rows("enqueue_jobs", 9)
        # A caller's own connection may have codecs of its own for jsonb: it is given text.
        self._enqueue_as_text = self._enqueue.replace("$1", "$1::text::jsonb").replace("$4", "$4::text[]::jsonb[]")
        self._claim = self._rows("settle_and_claim", 18)
        self._settle = self._rows("settle_jobs", 7)
        self._heartbeat = self._rows("heartbeat", 7)

    def _rows(self, function: str, arguments: int) -> str:
        places = ", ".join(f"${n}" for n in range(1, arguments + 1))
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

    async def claim(
        self, connection: asyncpg.Connection, claim: ClaimArguments, settle: SettleArguments | None = None
    ) -> ClaimReply:
        """Settle, if there is something to settle, and claim, in one transaction."""
        rows = await self._fetch(connection, self._claim, *claim, *(settle or _NOTHING_TO_SETTLE))
        note = rows.pop()
        first_job = 0
        while first_job < len(rows) and rows[first_job]["ordinal"] is not None:
            first_job += 1
        return ClaimReply(
            rows=rows[first_job:],
            settled=[(row["ordinal"], row["status"]) for row in rows[:first_job]],
            claimed_at=note["claimed_at"],
            request_xid=note["request_xid"],
            oldest_xid=note["oldest_xid"],
            next_due=note["next_due"],
        )

    async def settle(self, connection: asyncpg.Connection, settle: SettleArguments) -> Rows:
        return await self._fetch(connection, self._settle, *settle)

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

    # `request` is an id of the call's own: sent again with it, a call does nothing more and is answered as the first time.

    async def cancel(self, connection: asyncpg.Connection, job_id: UUID, request: UUID) -> bool:
        return bool(await connection.fetchval(f'SELECT "{self._schema}".cancel_job_once($1, $2)', job_id, request))

    async def find_job(self, connection: asyncpg.Connection, job_id: UUID) -> asyncpg.Record | None:
        return await connection.fetchrow(self._rows("find_job", 1), job_id)

    async def find_ended(self, connection: asyncpg.Connection, ids: Sequence[UUID]) -> Rows:
        """Return those of up to 10,000 jobs that have ended, as `find_job` does; a row without a status is an id without a job.

        What is left out, because there was too much to send at once, is returned when it is asked for again.
        """
        return await self._fetch(connection, self._rows("find_ended", 1), ids)

    async def listen(
        self,
        connection: asyncpg.Connection,
        channel: UUID,
        heard: Callable[[str], None],
        broken: Callable[[], None],
    ) -> None:
        """Hear on this connection what is said over a channel: `heard` gets each message; `broken` is called when it ends.

        Raises:
            ConfigError: nothing can be heard here.

        """
        connection.add_termination_listener(lambda _: broken())
        await connection.add_listener(event_channel(channel), lambda _c, _pid, _channel, message: heard(message))

    async def subscribe(
        self,
        connection: asyncpg.Connection,
        channel: UUID,
        queues: Sequence[str],
        jobs: Sequence[UUID],
        hello: str,
    ) -> None:
        """Say over a channel, for 30 seconds, what becomes of the jobs of up to 100 queues, and of up to 100 jobs.

        `hello` is said first. What was asked for this channel before is replaced. Every other message is a JSON
        array of `JobEvent`s.
        """
        await connection.fetch(self._rows("subscribe", 4), channel, queues, jobs, hello)

    async def unsubscribe(self, connection: asyncpg.Connection, channel: UUID) -> None:
        """Say nothing more over a channel."""
        await connection.fetch(self._rows("unsubscribe", 1), channel)

    async def find_attempts(self, connection: asyncpg.Connection, job_id: UUID) -> Rows:
        return await self._fetch(connection, self._rows("find_attempts", 1), job_id)

    async def find_actions(self, connection: asyncpg.Connection, job_id: UUID) -> Rows:
        return await self._fetch(connection, self._rows("find_actions", 1), job_id)

    async def comment(self, connection: asyncpg.Connection, job_id: UUID, comment: str, request: UUID) -> None:
        await connection.fetch(self._rows("comment_job", 3), job_id, comment, request)

    async def find_jobs(self, connection: asyncpg.Connection, where: str, limit: int, after: UUID | None) -> Rows:
        """Return a page and, as its last row, a note: without an id, with `resume_after` and `examined`."""
        return await self._fetch(connection, self._rows("find_jobs", 4), where, limit, after, LOOK)

    async def count_jobs(self, connection: asyncpg.Connection, where: str, after: UUID | None) -> asyncpg.Record:
        return await connection.fetchrow(self._rows("count_jobs", 3), where, after, LOOK)

    async def find_dead_letters(
        self, connection: asyncpg.Connection, where: str, limit: int, after_time: datetime | None, after: UUID | None
    ) -> Rows:
        """Return a page and, as its last row, a note as of `find_jobs`, whose `finished_at` belongs to its `resume_after`."""
        return await self._fetch(connection, self._rows("find_dead_letters", 4), where, limit, after_time, after)

    async def group_dead_letters(self, connection: asyncpg.Connection, where: str, limit: int) -> Rows:
        """Return groups and, as the last row, a note: without a queue's name, with `complete` and `examined`."""
        return await self._fetch(connection, self._rows("group_dead_letters", 2), where, limit)

    # What is done to a page of what matches: the ids, and a note in which the id is missing and `resume_after` leads on.

    async def cancel_jobs(self, connection: asyncpg.Connection, where: str, page: BulkPage) -> Rows:
        return await self._fetch(connection, self._rows("cancel_jobs", 5), where, *page)

    async def retry_jobs(self, connection: asyncpg.Connection, where: str, page: BulkPage) -> Rows:
        return await self._fetch(connection, self._rows("retry_jobs", 5), where, *page)

    async def set_priority(self, connection: asyncpg.Connection, where: str, priority: int, page: BulkPage) -> Rows:
        return await self._fetch(connection, self._rows("set_priority", 6), where, priority, *page)

    async def redrive_dead_letters(self, connection: asyncpg.Connection, where: str, page: BulkPage) -> Rows:
        return await self._fetch(connection, self._rows("redrive_dead_letters", 5), where, *page)

    async def resolve_dead_letters(
        self, connection: asyncpg.Connection, where: str, comment: str, page: BulkPage
    ) -> Rows:
        return await self._fetch(connection, self._rows("resolve_dead_letters", 6), where, comment, *page)

    async def assign_dead_letters(
        self, connection: asyncpg.Connection, where: str, to: str | None, page: BulkPage
    ) -> Rows:
        return await self._fetch(connection, self._rows("assign_dead_letters", 6), where, to, *page)

    async def purge_dead_letters(self, connection: asyncpg.Connection, where: str, page: BulkPage) -> Rows:
        """Purge; what a page removed cannot be asked again, for no trace of it is left."""
        rows = self._rows("purge_dead_letters", 4)
        return await self._fetch(connection, rows, where, page.limit, page.after, page.dry_run)

    async def edit_payload(
        self, connection: asyncpg.Connection, job_id: UUID, payload: str, comment: str | None, request: UUID
    ) -> None:
        await connection.fetch(self._rows("edit_payload", 4), job_id, payload, comment, request)

    async def redrive(self, connection: asyncpg.Connection, ids: Sequence[UUID], request: UUID) -> list[UUID]:
        return [row[0] for row in await self._fetch(connection, self._rows("redrive_jobs_once", 2), ids, request)]

    async def queue_depth(self, connection: asyncpg.Connection, queue: str) -> int:
        return int(await connection.fetchval(f'SELECT "{self._schema}".queue_depth($1)', queue))

    async def list_queues(self, connection: asyncpg.Connection, queue: str | None) -> Rows:
        """Return a row with the fields of a `QueueInfo` for each queue that may be seen, or for one; in no order."""
        return await self._fetch(connection, self._rows("list_queues", 1), queue)

    async def purge(self, connection: asyncpg.Connection, queue: str) -> int:
        """Purge a queue in steps, each a transaction of its own: nobody waits long for it, and it is never too much for one."""
        purged, until = 0, None
        while True:
            step = await connection.fetchrow(self._rows("purge_waiting", 3), queue, _PURGED_AT_A_TIME, until)
            purged, until = purged + int(step["purged"]), step["until"]
            if step["purged"] < _PURGED_AT_A_TIME:
                return purged

    async def pause(self, connection: asyncpg.Connection, queue: str) -> None:
        await connection.fetch(self._rows("pause_queue", 1), queue)

    async def resume(self, connection: asyncpg.Connection, queue: str) -> None:
        await connection.fetch(self._rows("resume_queue", 1), queue)

    async def _fetch(self, connection: asyncpg.Connection, sql: str, *arguments: Any) -> Rows:
        rows: Rows = await connection.fetch(sql, *arguments)
        return rows
