"""`PgQueuerConsumer`: the robot's side of the queue."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID, uuid4

from casare_rpa.foundation.errors import ConfigError, InvalidJob, LeaseLost
from casare_rpa.infrastructure.queue.backend import Backend, PostgresBackend
from casare_rpa.infrastructure.queue.config import check_config
from casare_rpa.infrastructure.queue.consuming.claiming import Claimer
from casare_rpa.infrastructure.queue.consuming.execution import completed, failed
from casare_rpa.infrastructure.queue.consuming.leases import Leases
from casare_rpa.infrastructure.queue.consuming.settlement import RELEASED, Settlement
from casare_rpa.infrastructure.queue.consuming.settler import Settler
from casare_rpa.infrastructure.queue.consuming.work import Work
from casare_rpa.infrastructure.queue.models import MAX_BATCH, JobModel, JobStatus, check_limit
from casare_rpa.infrastructure.queue.patience import with_patience
from casare_rpa.infrastructure.queue.pool import SchemaLimits, borrowed
from casare_rpa.infrastructure.queue.requirements import is_word, offers
from casare_rpa.infrastructure.telemetry.robot import RobotTelemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    import asyncpg

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.consuming.settlement import Ending
    from casare_rpa.infrastructure.telemetry.metrics import Metrics

T = TypeVar("T")


class PgQueuerConsumer:
    """Claims jobs for one robot, keeps their leases alive, and settles them.

    Use it as ``async with PgQueuerConsumer(config, robot_id="robot-1") as consumer``. Two sorts of connections are opened: a pool
    for claims and settlements, one of which is enough, and one that sends heartbeats and listens, in a thread of its own.

    Args:
        config: the queue and its settings.
        robot_id: the robot's name, 1 to 200 characters. The robot's identity is a secret that is new in every consumer.
        capabilities: words that jobs may require of a robot, for example ``["excel", "sap"]``.
        labels: pairs of words that jobs may require.
        environment: the environment the robot works in.
        pool: the pool of robots it belongs to.
        metrics: what `enable_metrics` returned; None counts nothing.

    Raises:
        ConfigError: an argument is wrong.

    """

    def __init__(
        self,
        config: QueueConfig,
        robot_id: str,
        *,
        capabilities: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        environment: str | None = None,
        pool: str | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.config = check_config(config)
        if not is_word(robot_id):
            raise ConfigError("robot_id must be a name of 1 to 200 printable characters")
        try:
            self._offers = offers(capabilities, labels, environment, pool)
        except ValueError as error:
            raise ConfigError(f"what the robot offers is wrong: {error}") from None
        self.robot_id = robot_id
        self._incarnation = uuid4()
        self._telemetry = RobotTelemetry(robot_id, config.queue_name, metrics)
        self._backend = self._make_backend()
        self._calls = self._backend.calls
        self._leases = Leases()
        self._lifeline = self._backend.lifeline(robot_id, self._incarnation, self._leases, self)
        self._cancel_requested: set[UUID] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: asyncpg.Pool | None = None
        self._limits: SchemaLimits | None = None
        self._claimer: Claimer | None = None
        self._settler: Settler | None = None
        self._work: Work | None = None
        self._stopped = False
        self._stop_task: asyncio.Task[None] | None = None

    def _make_backend(self) -> Backend:
        return PostgresBackend(self.config)

    async def __aenter__(self) -> Self:
        """Connect, check the schema, start the heartbeats.

        Raises:
            DatabaseUnavailable, ServerTooOld, SchemaMissing, SchemaTooNew, NotPermitted, ConfigError: the queue cannot be used.

        """
        if self._pool is not None or self._stopped:
            raise ConfigError("a consumer is opened once: make a new one, which gets an identity of its own")
        name = f"casare robot {self.robot_id}"
        self._loop = asyncio.get_running_loop()
        self._limits = await self._backend.check_schema(name)
        self._pool = await self._backend.open_pool(name)
        self._settler = Settler(self.config, self._calls, self._pool, self._telemetry.database)
        self._claimer = Claimer(
            self.config,
            self._calls,
            self._pool,
            self.robot_id,
            self._incarnation,
            self._offers,
            self._leases,
            self._lifeline,
            self._settler,
            self._telemetry,
            self._claimed_again,
        )
        self._work = Work(
            self.config,
            self._claimer,
            self._settler,
            self._leases,
            self._lifeline,
            self._limits.result,
            self._telemetry,
        )
        self._lifeline.start()
        self._telemetry.opened(lambda: (self.config.max_concurrent_jobs, len(self._leases)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def claim_job(self) -> JobModel | None:
        """Claim the next job, or return None when there is none or no slot is free.

        Raises:
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """
        claimer = self._ready(self._claimer)

        async def claim(_: int) -> list[JobModel]:
            async with claimer.slots:
                if len(self._leases) >= self.config.max_concurrent_jobs:
                    return []
                return (await claimer.claim(1, start=False)).jobs

        jobs = await self._patiently(claim)
        return jobs[0] if jobs else None

    async def claim_jobs(self, limit: int) -> list[JobModel]:
        """Claim up to `limit` jobs (1 to 10,000), however many slots are free; the first is the one to do first.

        Raises:
            InvalidJob: the limit is out of range.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """
        check_limit(limit, MAX_BATCH)
        claimer = self._ready(self._claimer)
        return (await self._patiently(lambda _: claimer.claim(limit, start=False))).jobs

    async def start_job(self, job: JobModel) -> None:
        """Take a claimed job from CLAIMED to RUNNING.

        Raises:
            LeaseLost: its lease is lost, for example because the job was cancelled.

        """
        job_id, token = _lease(job)
        pool = self._ready(self._pool)

        async def start(_: int) -> Sequence[asyncpg.Record]:
            async with borrowed(pool) as connection:
                return await self._calls.start(connection, [job_id], [token])

        rows = await self._patiently(start)
        if not rows:
            self._leases.drop(job_id, token)
            self._telemetry.lease_lost(self._telemetry.attempt(job))
            raise LeaseLost(job_id)
        job.status, job.started_at = JobStatus.RUNNING, rows[0]["started_at"]

    async def complete_job(self, job: JobModel, result: Any = None) -> None:
        """Settle a job as done, with a result that JSON can hold (1 MiB at most).

        Raises:
            LeaseLost: its lease is lost; nothing was changed.
            InvalidJob: the result is not JSON, or is over the limit; the lease still holds.

        """
        await self._settle(job, completed(result, self._ready(self._limits).result))
        job.result = result

    async def fail_job(
        self, job: JobModel, error: str | BaseException, *, business: bool = False, retry_in: float | None = None
    ) -> JobStatus:
        """Settle an attempt as failed and return what the job is now: PENDING again, FAILED, or CANCELLED if that was asked.

        Args:
            job: the claimed job.
            error: what went wrong, kept to 64 KiB.
            business: the data is bad: the job is not retried.
            retry_in: seconds until the next attempt; None follows the job's `retry_delay`.

        Raises:
            LeaseLost: its lease is lost; nothing was changed.

        """
        _check_retry_in(retry_in)
        ending = failed(error, business=business, retry_in=retry_in)
        status = await self._settle(job, ending)
        job.error = ending.error
        return status

    async def release_job(self, job: JobModel) -> None:
        """Hand a job back unharmed: PENDING at its old place, the attempt given back; CANCELLED if that was asked.

        Raises:
            LeaseLost: its lease is lost; nothing was changed.

        """
        await self._settle(job, RELEASED)

    def cancel_requested(self, job: JobModel) -> bool:
        """Whether somebody asked to cancel this job, as of the last heartbeat: stop and release it."""
        return job.lease_token in self._cancel_requested

    async def run(self, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        """Claim jobs straight into RUNNING, await ``handler(job)`` for each, settle with what it returns; until `stop`.

        An exception fails the attempt, `BusinessError` without a retry. The handler is cancelled when its job is cancelled or
        its lease is lost, when it exceeds its time limit, and when the grace time of `stop` is over (the job is released then).

        Raises:
            CasareError: the database refuses this consumer for good, for example its login or its schema.

        """
        work = self._ready(self._work)
        try:
            await work.run(handler)
        finally:
            await asyncio.shield(self.stop())

    async def stop(self) -> None:
        """Claim no more, give running handlers `shutdown_grace` seconds, release the rest, disconnect. Stopping twice is safe."""
        self._stopped = True
        if self._stop_task is None:
            self._stop_task = asyncio.create_task(self._stop(), name=f"casare stop {self.robot_id}")
        await asyncio.shield(self._stop_task)

    async def _stop(self) -> None:
        if self._work is None or self._pool is None or self._claimer is None:
            return
        self._telemetry.stopping(len(self._leases), self.config.shutdown_grace)
        self._work.stop_claiming()
        await self._work.claims_no_more()
        await self._claimer.finish()
        if not await self._work.ended(self.config.shutdown_grace):
            await self._work.cancel_all()
        await self._release_all()
        self._work.give_up()
        self._ready(self._settler).abandon()
        await self._close_pool(self._pool)
        await self._lifeline.stop()  # last: its heartbeats give back what a claim brought that was given up
        self._telemetry.stopped()

    async def _close_pool(self, pool: asyncpg.Pool) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await pool.close()
                return
        pool.terminate()

    def cancel_handlers(self) -> None:
        """Cancel every running handler now; its job is released. It cuts the grace time of a `stop` that is under way."""
        if self._work is not None:
            self._work.cancel_handlers()

    def jobs_announced(self) -> None:
        """Called by the lifeline, from its thread."""
        self._in_loop(lambda work: work.wake())

    def verdict(self, lost: Sequence[UUID], cancelled: Sequence[UUID]) -> None:
        """Called by the lifeline, from its thread."""

        def take(work: Work) -> None:
            self._cancel_requested.intersection_update(self._leases.holding().tokens.values())
            self._cancel_requested.update(cancelled)
            work.cancel(cancelled, lost=False)
            work.cancel(lost, lost=True)

        self._in_loop(take)

    def _claimed_again(self, lost: Sequence[UUID]) -> None:
        if self._work is not None:
            self._work.cancel(lost, lost=True)

    def heartbeat_answered(self, late_by: float) -> None:
        """Called by the lifeline, from its thread."""
        self._telemetry.heartbeat_answered(late_by)

    def link_lost(self, error: str) -> None:
        """Called by the lifeline, from its thread."""
        self._telemetry.link_lost(error)

    def direct_way(self, fault: str | None) -> None:
        """Called by the lifeline, from its thread."""
        self._telemetry.direct_way(fault)

    def _in_loop(self, step: Callable[[Work], None]) -> None:
        loop, work = self._loop, self._work
        if loop is not None and work is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(step, work)

    async def _settle(self, job: JobModel, ending: Ending) -> JobStatus:
        settlement = Settlement.of(*_lease(job), ending)
        status = await self._ready(self._settler).settle(settlement)
        self._leases.drop(settlement.job_id, settlement.token)
        self._cancel_requested.discard(settlement.token)
        attempt = self._telemetry.attempt(job)
        if status is None:
            self._telemetry.lease_lost(attempt)
            raise LeaseLost(settlement.job_id)
        self._telemetry.settled(attempt, settlement.outcome, status, settlement.error)
        job.status = status
        return status

    async def _release_all(self) -> None:
        """Release what is still held, all of it in one statement; what cannot be told goes back when its lease runs out."""
        tokens = self._leases.holding().tokens
        settler = self._ready(self._settler)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5.0):
                await settler.release(tokens)
                self._telemetry.released(len(tokens))
        for job_id, token in tokens.items():
            self._leases.drop(job_id, token)

    async def _patiently(self, call: Callable[[int], Awaitable[T]]) -> T:
        """Make a call that may be made again, for as long as `outage_patience` while the database is away."""
        return await with_patience(call, self.config.outage_patience, watch=self._telemetry.database)

    def _ready(self, part: T | None) -> T:
        if part is None or (self._stopped and part not in (self._settler, self._limits)):
            raise ConfigError("the consumer is not open: use it as `async with PgQueuerConsumer(...) as consumer`")
        return part


def _lease(job: JobModel) -> tuple[UUID, UUID]:
    if job.id is None or job.lease_token is None:
        raise InvalidJob("this job holds no lease: only a claimed job can be started or settled")
    return job.id, job.lease_token


def _check_retry_in(seconds: object) -> None:
    if seconds is not None and not (isinstance(seconds, int | float) and 0 <= seconds <= 1e9):
        raise InvalidJob(f"retry_in must be 0 seconds or more, not {seconds!r}")
