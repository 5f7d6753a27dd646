"""Sends settlements to the database: a lone one at once, those that come while one is under way together after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.foundation.errors import CasareError, DatabaseUnavailable
from casare_rpa.infrastructure.queue.calls import SettleArguments
from casare_rpa.infrastructure.queue.consuming.settlement import Settlement
from casare_rpa.infrastructure.queue.models import JobStatus
from casare_rpa.infrastructure.queue.patience import with_patience
from casare_rpa.infrastructure.queue.pool import borrowed

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue.calls import Calls
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.telemetry.database_watch import DatabaseWatch

MOST_AT_ONCE = 1000
_NO_PARTITION_YET = (asyncpg.CheckViolationError,)  # the week's partition of the history is just being made
Fate = JobStatus | None | Exception
Settled = Callable[[Settlement, Fate], None]


class Settler:
    """Settles for one consumer. Every settlement may be sent again: the database answers as the first time."""

    def __init__(self, config: QueueConfig, calls: Calls, pool: asyncpg.Pool, watch: DatabaseWatch) -> None:
        self._config = config
        self._calls = calls
        self._pool = pool
        self._watch = watch
        self._waiting: list[tuple[Settlement, Settled]] = []
        self._sender: asyncio.Task[None] | None = None

    def submit(self, settlement: Settlement, settled: Settled) -> None:
        """Settle, and call `settled` with what became of it: the job's status, None when the lease was lost, or the fault.

        The fault is `DatabaseUnavailable` when the database did not come back within `outage_patience`.
        """
        self._waiting.append((settlement, settled))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())

    async def settle(self, settlement: Settlement) -> JobStatus | None:
        """Settle and return the job's status, or None when the lease was lost; raises what `submit` reports."""
        answer: asyncio.Future[JobStatus | None] = asyncio.get_running_loop().create_future()
        self.submit(settlement, lambda _, fate: _answer(answer, fate))
        return await answer

    async def release(self, tokens: dict[UUID, UUID]) -> None:
        """Release these leases, job id to token, whatever became of them."""
        if tokens:
            await self._send([Settlement(job_id, token, "released") for job_id, token in tokens.items()])

    def abandon(self) -> None:
        """Try no longer to settle; whoever waits is told that the database is not there."""
        if self._sender is not None:
            self._sender.cancel()

    async def _send_all(self) -> None:
        batch: list[tuple[Settlement, Settled]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                fates = await self._fates_of([settlement for settlement, _ in batch])
                for (settlement, settled), fate in zip(batch, fates, strict=True):
                    settled(settlement, fate)
        except asyncio.CancelledError:
            batch, self._waiting = batch + self._waiting, []
            for settlement, settled in batch:
                settled(settlement, DatabaseUnavailable("the consumer stopped before PostgreSQL had settled this"))
            raise

    async def _fates_of(self, settlements: list[Settlement]) -> list[Fate]:
        try:
            return list(await self._send(settlements))
        except DatabaseUnavailable as error:
            return [error] * len(settlements)
        except Exception:  # noqa: BLE001 - one bad settlement must not fail those that came with it
            return [await self._send_alone(settlement) for settlement in settlements]

    async def _send_alone(self, settlement: Settlement) -> Fate:
        try:
            return (await self._send([settlement]))[0]
        except CasareError as error:
            return error
        except Exception as error:  # noqa: BLE001 - it belongs to whoever settles, not to this task
            return error

    async def _send(self, settlements: list[Settlement]) -> list[JobStatus | None]:
        patience = self._config.outage_patience
        rows = await with_patience(lambda _: self._call(settlements), patience, _NO_PARTITION_YET, self._watch)
        return statuses_of(settlements, [(row["ordinal"], row["status"]) for row in rows])

    async def _call(self, settlements: list[Settlement]) -> list[asyncpg.Record]:
        async with borrowed(self._pool) as connection:
            return await self._calls.settle(connection, settle_arguments(settlements, self._config))


def statuses_of(settlements: list[Settlement], others: list[tuple[int, str | None]]) -> list[JobStatus | None]:
    """Return the status of each settlement; `others` are those that did not complete, by their number from 1."""
    statuses: list[JobStatus | None] = [JobStatus.COMPLETED] * len(settlements)
    for ordinal, status in others:
        statuses[ordinal - 1] = None if status is None else JobStatus(status)
    return statuses


def settle_arguments(settlements: list[Settlement], config: QueueConfig) -> SettleArguments:
    """Return what `settle_jobs` takes for these settlements; columns that are empty are left out."""
    ids, tokens, outcomes, results, errors, retry_ins = zip(*settlements, strict=True)
    return SettleArguments(
        ids,
        tokens,
        outcomes,
        results if any(results) else None,
        errors if any(errors) else None,
        retry_ins if any(seconds is not None for seconds in retry_ins) else None,
        config.enable_dlq,
    )


def _answer(answer: asyncio.Future[JobStatus | None], fate: Fate) -> None:
    if answer.done():  # whoever asked was cancelled meanwhile
        return
    if isinstance(fate, Exception):
        answer.set_exception(fate)
    else:
        answer.set_result(fate)
