"""`Calls` on an in-memory queue: each method does in the store what its SQL function does in the database."""

# ruff: noqa: ARG002 - the arguments are those of `Calls`

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.queue.calls import Calls
from casare_rpa.infrastructure.queue.schema import PROGRAM_VERSION
from casare_rpa.orchestrator.memory import (
    actions,
    bulk,
    cancelling,
    claims,
    dead_letters,
    enqueuing,
    lookups,
    queues,
    settlements,
)
from casare_rpa.orchestrator.memory.heartbeats import heartbeat
from casare_rpa.orchestrator.memory.upkeep import upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from casare_rpa.infrastructure.queue.batches import Batch
    from casare_rpa.infrastructure.queue.calls import BulkPage, ClaimArguments, ClaimReply, SettleArguments
    from casare_rpa.orchestrator.memory.pool import MemoryConnection
    from casare_rpa.orchestrator.memory.store import Store

    Row = dict[str, Any]


class MemoryCalls(Calls):
    """Every method of `Calls`; the connections they take are empty hands. Faults are raised as `CasareError`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def schema_info(self, connection: MemoryConnection) -> Row:
        limits = self._store.limits
        return {
            "version": PROGRAM_VERSION,
            "oldest_program": PROGRAM_VERSION,
            "payload_limit": limits.payload,
            "result_limit": limits.result,
        }

    async def enqueue(
        self,
        connection: MemoryConnection,
        batch: Batch,
        *,
        each: bool,
        resent: bool = False,
        of_the_caller: bool = False,
    ) -> list[Row]:
        if of_the_caller:
            raise ConfigError("an in-memory queue takes part in no transaction: leave out connection=")
        with self._store.lock:
            return enqueuing.enqueue_jobs(self._store, batch, each=each, resent=resent)

    async def announce(self, connection: MemoryConnection, jobs_by_queue: dict[str, int]) -> int:
        with self._store.lock:
            for queue, jobs in jobs_by_queue.items():
                self._store.hub.announce(queue, jobs)
            return max(map(self._store.fleet, jobs_by_queue), default=0)

    async def wait_for_jobs(self, connection: MemoryConnection, queue: str) -> bool:
        return True

    async def stop_waiting_for_jobs(self, connection: MemoryConnection, queue: str) -> None:
        """`MemoryLifeline` keeps this by itself."""

    async def channels(self, connection: MemoryConnection, queue: str, incarnation: UUID) -> tuple[str, str]:
        return queue, str(incarnation)

    async def claim(
        self, connection: MemoryConnection, claim: ClaimArguments, settle: SettleArguments | None = None
    ) -> ClaimReply:
        with self._store.lock:
            claims.check_claim(claim)
            settled = settlements.settle_jobs(self._store, settle) if settle else []
            reply = claims.claim_jobs(self._store, claim)
        return reply._replace(settled=[(row["ordinal"], row["status"]) for row in settled])

    async def settle(self, connection: MemoryConnection, settle: SettleArguments) -> list[Row]:
        with self._store.lock:
            return settlements.settle_jobs(self._store, settle)

    async def start(self, connection: MemoryConnection, ids: Sequence[UUID], tokens: Sequence[UUID]) -> list[Row]:
        with self._store.lock:
            return claims.start_jobs(self._store, ids, tokens)

    async def heartbeat(
        self,
        connection: MemoryConnection,
        robot: str,
        incarnation: UUID,
        queue: str,
        held: dict[UUID, UUID],
        ceiling: int,
        in_flight: Sequence[int],
    ) -> Row:
        with self._store.lock:
            return heartbeat(self._store, robot, incarnation, queue, held, ceiling, in_flight)

    async def upkeep(self, connection: MemoryConnection) -> float:
        with self._store.lock:
            return upkeep(self._store)

    # Nothing is sent again here, so a `request` is never met a second time.

    async def cancel(self, connection: MemoryConnection, job_id: UUID, request: UUID) -> bool:
        with self._store.lock:
            return cancelling.cancel_job(self._store, job_id)

    async def find_job(self, connection: MemoryConnection, job_id: UUID) -> Row | None:
        with self._store.lock:
            return lookups.find_job(self._store, job_id)

    async def find_ended(self, connection: MemoryConnection, ids: Sequence[UUID]) -> list[Row]:
        with self._store.lock:
            return lookups.find_ended(self._store, ids)

    async def listen(
        self,
        connection: MemoryConnection,
        channel: UUID,
        heard: Callable[[str], None],
        broken: Callable[[], None],
    ) -> None:
        with self._store.lock:
            self._store.events.listen(channel, heard)
        connection.closing.append(partial(self._store.events.deafen, channel))

    async def subscribe(
        self,
        connection: MemoryConnection,
        channel: UUID,
        queues: Sequence[str],
        jobs: Sequence[UUID],
        hello: str,
    ) -> None:
        with self._store.lock:
            self._store.events.subscribe(channel, queues, jobs, hello)

    async def unsubscribe(self, connection: MemoryConnection, channel: UUID) -> None:
        with self._store.lock:
            self._store.events.unsubscribe(channel)

    async def find_attempts(self, connection: MemoryConnection, job_id: UUID) -> list[Row]:
        with self._store.lock:
            return lookups.find_attempts(self._store, job_id)

    async def find_actions(self, connection: MemoryConnection, job_id: UUID) -> list[Row]:
        with self._store.lock:
            return lookups.find_actions(self._store, job_id)

    async def comment(self, connection: MemoryConnection, job_id: UUID, comment: str, request: UUID) -> None:
        with self._store.lock:
            actions.comment_job(self._store, job_id, comment)

    async def find_jobs(self, connection: MemoryConnection, where: str, limit: int, after: UUID | None) -> list[Row]:
        with self._store.lock:
            return lookups.find_jobs(self._store, where, limit, after)

    async def count_jobs(self, connection: MemoryConnection, where: str, after: UUID | None) -> Row:
        with self._store.lock:
            return lookups.count_jobs(self._store, where)

    async def find_dead_letters(
        self, connection: MemoryConnection, where: str, limit: int, after_time: datetime | None, after: UUID | None
    ) -> list[Row]:
        with self._store.lock:
            return dead_letters.find_dead_letters(self._store, where, limit, after_time, after)

    async def group_dead_letters(self, connection: MemoryConnection, where: str, limit: int) -> list[Row]:
        with self._store.lock:
            return dead_letters.group_dead_letters(self._store, where, limit)

    async def cancel_jobs(self, connection: MemoryConnection, where: str, page: BulkPage) -> list[Row]:
        with self._store.lock:
            return bulk.cancel_jobs(self._store, where, page)

    async def retry_jobs(self, connection: MemoryConnection, where: str, page: BulkPage) -> list[Row]:
        with self._store.lock:
            return bulk.retry_jobs(self._store, where, page)

    async def set_priority(self, connection: MemoryConnection, where: str, priority: int, page: BulkPage) -> list[Row]:
        with self._store.lock:
            return bulk.set_priority(self._store, where, priority, page)

    async def redrive_dead_letters(self, connection: MemoryConnection, where: str, page: BulkPage) -> list[Row]:
        with self._store.lock:
            return bulk.redrive_dead_letters(self._store, where, page)

    async def resolve_dead_letters(
        self, connection: MemoryConnection, where: str, comment: str, page: BulkPage
    ) -> list[Row]:
        with self._store.lock:
            return bulk.resolve_dead_letters(self._store, where, comment, page)

    async def assign_dead_letters(
        self, connection: MemoryConnection, where: str, to: str | None, page: BulkPage
    ) -> list[Row]:
        with self._store.lock:
            return bulk.assign_dead_letters(self._store, where, to, page)

    async def purge_dead_letters(self, connection: MemoryConnection, where: str, page: BulkPage) -> list[Row]:
        with self._store.lock:
            return bulk.purge_dead_letters(self._store, where, page)

    async def edit_payload(
        self, connection: MemoryConnection, job_id: UUID, payload: str, comment: str | None, request: UUID
    ) -> None:
        with self._store.lock:
            dead_letters.edit_payload(self._store, job_id, payload, comment)

    async def redrive(self, connection: MemoryConnection, ids: Sequence[UUID], request: UUID) -> list[UUID]:
        with self._store.lock:
            return dead_letters.redrive_jobs(self._store, ids)

    async def queue_depth(self, connection: MemoryConnection, queue: str) -> int:
        with self._store.lock:
            return lookups.queue_depth(self._store, queue)

    async def list_queues(self, connection: MemoryConnection, queue: str | None) -> list[Row]:
        with self._store.lock:
            return queues.list_queues(self._store, queue)

    async def purge(self, connection: MemoryConnection, queue: str) -> int:
        with self._store.lock:
            return queues.purge_queue(self._store, queue)

    async def pause(self, connection: MemoryConnection, queue: str) -> None:
        with self._store.lock:
            queues.pause_queue(self._store, queue)

    async def resume(self, connection: MemoryConnection, queue: str) -> None:
        with self._store.lock:
            queues.resume_queue(self._store, queue)
