"""Putting jobs into queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import asyncpg

from casare_rpa.foundation.errors import DuplicateReference, InvalidJob
from casare_rpa.infrastructure.postgres.faults import translate
from casare_rpa.infrastructure.queue.batches import Batch, BatchBuilder
from casare_rpa.infrastructure.queue.models import MAX_BATCH, EnqueueResult, JobModel
from casare_rpa.infrastructure.queue.patience import with_patience
from casare_rpa.infrastructure.queue.pool import borrowed
from casare_rpa.infrastructure.queue.producing.session import Session, as_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID


class Enqueuing(Session):
    """Puts jobs into queues."""

    async def enqueue_job(self, job: JobModel, *, connection: asyncpg.Connection | None = None) -> UUID:
        """Put one job into its queue and return its id.

        Args:
            job: what is to be done.
            connection: an asyncpg connection: the job is enqueued inside the transaction that is open on it, and robots are
                told at its commit. The call is not repeated then: a failure is the caller's transaction's.

        Raises:
            DuplicateReference: another job has its reference; the error names it.
            InvalidJob: its payload cannot be stored.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """
        return (await self.enqueue_batch([job], connection=connection))[0]

    @overload
    async def enqueue_batch(
        self, jobs: Sequence[JobModel], *, mode: Literal["all"] = "all", connection: asyncpg.Connection | None = None
    ) -> list[UUID]: ...

    @overload
    async def enqueue_batch(
        self, jobs: Sequence[JobModel], *, mode: Literal["each"], connection: asyncpg.Connection | None = None
    ) -> list[EnqueueResult]: ...

    async def enqueue_batch(
        self,
        jobs: Sequence[JobModel],
        *,
        mode: Literal["all", "each"] = "all",
        connection: asyncpg.Connection | None = None,
    ) -> list[UUID] | list[EnqueueResult]:
        """Put up to 10,000 jobs into their queues, in this order and in one transaction.

        Args:
            jobs: what is to be done.
            mode: ``all`` enqueues every job or none and returns their ids. ``each`` enqueues those that can be and returns an
                `EnqueueResult` for every job, with its id or with the error that kept it out.
            connection: see `enqueue_job`.

        Raises:
            DuplicateReference: (``all``) a reference is taken, by another job or within the batch.
            InvalidJob: (``all``) a payload cannot be stored; (both) there are more than 10,000 jobs, or something is no job.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """
        if mode not in {"all", "each"}:
            raise InvalidJob(f'mode must be "all" or "each", not {mode!r}')
        if len(jobs) > MAX_BATCH:
            raise InvalidJob(f"a batch holds {MAX_BATCH} jobs at most, not {len(jobs)}")
        with self._telemetry.enqueuing(jobs) as call:
            refused, batch = self._build(jobs, call.carrier, each=mode == "each")
            taken = await self._enqueue(batch, connection, each=mode == "each") if batch.ids else []
            sent = [number for number in range(len(jobs)) if number not in refused]
            call.enqueued(batch.ids, batch.jobs_by_queue, but=[jobs[sent[row["ordinal"] - 1]] for row in taken])
        if mode == "all":
            return batch.ids
        results = refused | {number: EnqueueResult(id=job_id) for number, job_id in zip(sent, batch.ids, strict=True)}
        for row in taken:
            number = sent[row["ordinal"] - 1]
            results[number] = EnqueueResult(
                error=DuplicateReference(jobs[number].reference or "", as_id(row["existing"]))
            )
        return [results[number] for number in range(len(jobs))]

    def _build(
        self, jobs: Sequence[JobModel], trace_context: Mapping[str, str], *, each: bool
    ) -> tuple[dict[int, EnqueueResult], Batch]:
        """Return the batch and, by position, the jobs that cannot be in it."""
        builder = BatchBuilder(self.config, self._open(self._limits).payload, trace_context)
        refused: dict[int, EnqueueResult] = {}
        for number, job in enumerate(jobs):
            if not isinstance(job, JobModel):
                raise InvalidJob(f"job {number} of the batch is a {type(job).__name__}, not a JobModel")
            try:
                builder.add(job)
            except InvalidJob as error:
                if not each:
                    raise InvalidJob(str(error) if len(jobs) == 1 else f"job {number} of the batch: {error}") from None
                refused[number] = EnqueueResult(error=error)
        return refused, builder.build()

    async def _enqueue(
        self, batch: Batch, connection: asyncpg.Connection | None, *, each: bool
    ) -> list[asyncpg.Record]:
        if connection is not None:
            try:
                return await self._calls.enqueue(connection, batch, each=each, of_the_caller=True)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                raise translate(error) from error
        pool = self._open(self._pool)

        async def send(tries: int) -> list[asyncpg.Record]:
            try:
                async with borrowed(pool) as pooled:
                    return await self._calls.enqueue(pooled, batch, each=each, resent=tries > 0)
            except asyncpg.UniqueViolationError:
                if tries == 0:
                    raise
                return await send(tries)  # an earlier sending has committed meanwhile: now it is found

        taken = await with_patience(send, self.config.outage_patience, watch=self._telemetry.database)
        self._open(self._announcer).tell(batch.jobs_by_queue)
        return taken
