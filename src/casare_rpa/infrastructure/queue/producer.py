"""`PgQueuerProducer`: the orchestrator's side of the queue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Literal, Self, TypeVar, overload
from uuid import UUID

import asyncpg

from casare_rpa.foundation.errors import ConfigError, DuplicateReference, InvalidJob, JobNotFound
from casare_rpa.infrastructure.postgres.connection import connect, server_version
from casare_rpa.infrastructure.postgres.faults import describe, translate
from casare_rpa.infrastructure.queue.announcer import Announcer
from casare_rpa.infrastructure.queue.batches import Batch, BatchBuilder
from casare_rpa.infrastructure.queue.calls import Calls
from casare_rpa.infrastructure.queue.models import (
    MAX_BATCH,
    MAX_PAGE,
    EnqueueResult,
    JobAttempt,
    JobModel,
    JobStatus,
    QueueHealth,
    check_limit,
)
from casare_rpa.infrastructure.queue.patience import with_patience
from casare_rpa.infrastructure.queue.pool import SchemaLimits, borrowed, check_schema, open_pool
from casare_rpa.infrastructure.queue.rows import ended_attempt, found_job
from casare_rpa.infrastructure.queue.schema import check_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    from casare_rpa.infrastructure.queue.config import QueueConfig

T = TypeVar("T")

HEALTH_TIMEOUT = 5.0
"""Seconds that a health check takes at most."""


class PgQueuerProducer:
    """Puts jobs into queues, looks them up, cancels and redrives them.

    Use it as ``async with PgQueuerProducer(config) as producer``. Calls survive dropped connections and restarts of the server:
    they are sent again for up to `outage_patience` seconds, an enqueue in such a way that no job is doubled.
    """

    def __init__(self, config: QueueConfig) -> None:
        self.config = config
        self._calls = Calls(config.schema_name)
        self._pool: asyncpg.Pool | None = None
        self._limits: SchemaLimits | None = None
        self._announcer: Announcer | None = None

    async def __aenter__(self) -> Self:
        """Connect and check the schema.

        Raises:
            DatabaseUnavailable, ServerTooOld, SchemaMissing, SchemaTooNew, NotPermitted, ConfigError: the queue cannot be used.

        """
        self._limits = await check_schema(self.config, self._calls, "casare producer")
        self._pool = await open_pool(self.config, "casare producer")
        self._announcer = Announcer(self.config, self._calls)
        self._announcer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Announce what is left to announce and disconnect; closing twice is safe."""
        pool, self._pool = self._pool, None
        if self._announcer is not None:
            await self._announcer.stop()
        if pool is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await pool.close()
                    return
            pool.terminate()

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
        refused, batch = self._build(jobs, each=mode == "each")
        taken = await self._enqueue(batch, connection, each=mode == "each") if batch.ids else []
        if mode == "all":
            return batch.ids
        sent = [number for number in range(len(jobs)) if number not in refused]
        results = refused | {number: EnqueueResult(id=job_id) for number, job_id in zip(sent, batch.ids, strict=True)}
        for row in taken:
            number = sent[row["ordinal"] - 1]
            results[number] = EnqueueResult(
                error=DuplicateReference(jobs[number].reference or "", _as_id(row["existing"]))
            )
        return [results[number] for number in range(len(jobs))]

    async def get_queue_depth(self, queue_name: str | None = None) -> int:
        """Return how many jobs of a queue (the configured one by default) are PENDING and due, paused or not."""
        return await self._call(lambda c: self._calls.queue_depth(c, queue_name or self.config.queue_name))

    async def get_job(self, job_id: UUID | str) -> JobModel:
        """Return a job wherever it lives now: waiting, held, ended or dead.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = _as_id(job_id)
        row = await self._call(lambda c: self._calls.find_job(c, key))
        if row is None:
            raise JobNotFound(job_id)
        return found_job(row)

    async def get_job_status(self, job_id: UUID | str) -> JobStatus:
        """Return a job's status.

        Raises:
            JobNotFound: there is none with this id.

        """
        return (await self.get_job(job_id)).status

    async def get_attempts(self, job_id: UUID | str) -> list[JobAttempt]:
        """Return every ended attempt of a job, oldest first.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = _as_id(job_id)
        return [ended_attempt(row) for row in await self._call(lambda c: self._calls.find_attempts(c, key))]

    async def list_jobs(
        self,
        *,
        queue_name: str | None = None,
        status: JobStatus | None = None,
        workflow: str | None = None,
        tenant_id: str | None = None,
        limit: int = 100,
        before: UUID | None = None,
    ) -> list[JobModel]:
        """Return jobs that match, newest first.

        Args:
            queue_name: the queue; None is any, here and below.
            status: where the job is in its life.
            workflow: what is to be run.
            tenant_id: whose job it is.
            limit: jobs returned at most, 1 to 1000.
            before: the id of the last job of the page before.

        """
        check_limit(limit, MAX_PAGE)
        wanted = status.value if status else None
        rows = await self._call(
            lambda c: self._calls.list_jobs(c, queue_name, wanted, workflow, tenant_id, limit, before)
        )
        return [found_job(row) for row in rows]

    async def list_dead_letters(
        self, *, queue_name: str | None = None, reason: str | None = None, limit: int = 100
    ) -> list[JobModel]:
        """Return dead letters, newest first, up to `limit` (1 to 1000).

        `reason` is ``exhausted``, ``business``, ``crashed``, ``in doubt`` or ``quarantined``; None is any.
        """
        check_limit(limit, MAX_PAGE)
        rows = await self._call(lambda c: self._calls.list_dead_letters(c, queue_name, reason, limit))
        return [found_job(row) for row in rows]

    async def redrive_jobs(self, job_ids: Sequence[UUID | str]) -> list[UUID]:
        """Put dead letters back into their queues, starting at attempt 1, and return the ids of those that were."""
        keys = [_as_id(job_id) for job_id in job_ids]
        return await self._call(lambda c: self._calls.redrive(c, keys))

    async def cancel_job(self, job_id: UUID | str) -> bool:
        """Cancel a job; return True when it is cancelled or its robot has been asked to stop, False when it has ended already.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = _as_id(job_id)
        return await self._call(lambda c: self._calls.cancel(c, key))

    async def purge_queue(self, queue_name: str | None = None) -> int:
        """Remove the PENDING jobs of one queue (the configured one by default) and return how many; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.
            NotPermitted: this login is no administrator.

        """
        return await self._call(lambda c: self._calls.purge(c, queue_name or self.config.queue_name))

    async def pause_queue(self, queue_name: str | None = None) -> None:
        """Let no job of a queue be claimed until `resume_queue`; an administrator's call.

        Raises:
            QueueNotFound: there has never been a job in it.

        """
        await self._call(lambda c: self._calls.pause(c, queue_name or self.config.queue_name))

    async def resume_queue(self, queue_name: str | None = None) -> None:
        """Let the jobs of a paused queue be claimed again; an administrator's call."""
        await self._call(lambda c: self._calls.resume(c, queue_name or self.config.queue_name))

    async def health_check(self) -> QueueHealth:
        """Return whether the queue can be used, and what was found; never raises, and takes 5 seconds at most."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                connection = await connect(self.config.require_url(), "casare health check")
                try:
                    connected = time.monotonic()
                    info = await self._calls.schema_info(connection)
                    latency = (time.monotonic() - connected) * 1000
                    version = server_version(connection)
                finally:
                    connection.terminate()
            check_version(info["version"], info["oldest_program"])
        except TimeoutError:
            return QueueHealth(ok=False, error=f"no answer within {time.monotonic() - began:.0f} s")
        except Exception as error:  # noqa: BLE001 - a health check reports, it never raises
            return QueueHealth(ok=False, error=describe(translate(error)))
        return QueueHealth(
            ok=True,
            latency_ms=latency,
            server_version=version,
            schema_version=info["version"],
        )

    def _build(self, jobs: Sequence[JobModel], *, each: bool) -> tuple[dict[int, EnqueueResult], Batch]:
        """Return the batch and, by position, the jobs that cannot be in it."""
        builder = BatchBuilder(self.config, self._open(self._limits).payload)
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

        taken = await with_patience(send, self.config.outage_patience)
        self._open(self._announcer).tell(batch.jobs_by_queue)
        return taken

    async def _call(self, call: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        pool = self._open(self._pool)

        async def attempt(_: int) -> T:
            async with borrowed(pool) as connection:
                return await call(connection)

        return await with_patience(attempt, self.config.outage_patience)

    def _open(self, part: T | None) -> T:
        if part is None:
            raise ConfigError("the producer is not open: use it as `async with PgQueuerProducer(...) as producer`")
        return part


def _as_id(job_id: UUID | str) -> UUID:
    if isinstance(job_id, UUID):
        return job_id
    try:
        return UUID(job_id)
    except (ValueError, AttributeError, TypeError):
        raise JobNotFound(str(job_id), f"{job_id!r} is no job id: an id is a UUID") from None
