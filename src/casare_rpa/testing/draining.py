"""Working off all jobs of a queue inside a test, one after the other, in the order in which a robot would take them."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import CasareError, InvalidJob, JobNotFound, LeaseLost
from casare_rpa.infrastructure.queue import JobModel, JobStatus
from casare_rpa.infrastructure.queue.consuming.execution import execute
from casare_rpa.testing.targets import open_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer
    from casare_rpa.testing.targets import Target

    Handler = Callable[[JobModel], Any]


class AttemptFailed(CasareError):
    """An attempt failed without an error of the handler's own: it ran past its time limit, or its result cannot be stored."""


@dataclass(frozen=True)
class DrainResult:
    """What became of the jobs that `drain` worked off.

    Attributes:
        completed: jobs that are done, each with its `result`, in the order in which they ended.
        failed: jobs that failed for good, each with its `error` and its `dead_letter_reason`.
        cancelled: jobs that were cancelled while the handler ran.
        lost: jobs whose lease was lost while the handler ran: somebody else has decided about them.
        attempts: how many times the handler was called.
        errors: what the attempts of a job raised, by its id; also of a job that was completed in the end.

    """

    completed: list[JobModel] = field(default_factory=list)
    failed: list[JobModel] = field(default_factory=list)
    cancelled: list[JobModel] = field(default_factory=list)
    lost: list[JobModel] = field(default_factory=list)
    attempts: int = 0
    errors: dict[UUID, list[BaseException]] = field(default_factory=dict)


async def drain(
    queue: Target,
    handler: Handler,
    *,
    queue_name: str | None = None,
    limit: int = 10_000,
    raise_errors: bool = True,
    **offers: Any,
) -> DrainResult:
    """Work off every waiting job of a queue with this handler, and return what became of them.

    The jobs are really claimed, run and settled, as by one robot with one slot. A failed attempt is retried at once, without
    its pause, for as long as the job has attempts left. Jobs that the handler enqueues are worked off too. Deferred jobs
    wait for their time: let it come with `FrozenClock.advance`.

    Args:
        queue: the queue's settings, a producer of it, or a `JobQueue`.
        handler: what a robot would be given: an async function that takes a `JobModel`, or a plain one, which runs in a thread.
        queue_name: another queue than the configured one.
        limit: attempts at most, so that a job that enqueues itself ends the test.
        raise_errors: whether to raise at the end what made jobs fail for good: the handler's own error if it was one job, an
            `ExceptionGroup` if there were several. Attempts that failed and were retried raise nothing.
        offers: what the robot offers to jobs that require something: `capabilities`, `labels`, `environment`, `pool`.

    Raises:
        RuntimeError: jobs are still waiting after `limit` attempts.
        AttemptFailed: (with `raise_errors`) a job failed without an error of the handler's own.
        DatabaseUnavailable, SchemaMissing, NotPermitted, ConfigError: the queue cannot be used.

    """
    async with open_target(queue, queue_name, offers) as (producer, consumer):
        work = _Work(consumer, handler)
        while job := await consumer.claim_job():
            if work.attempts == limit:
                await consumer.release_job(job)
                raise RuntimeError(
                    f"jobs are still waiting after {limit} attempts, the next of them {job.workflow} ({job.id})"
                )
            await work.attempt(job)
        result = await work.result(producer)
    if raise_errors and result.failed:
        _raise_last_errors(result)
    return result


class _Work:
    """What has been done so far."""

    def __init__(self, consumer: PgQueuerConsumer, handler: Handler) -> None:
        self.attempts = 0
        self._consumer = consumer
        self._handler = handler
        self._ended: list[JobModel] = []
        self._lost: list[JobModel] = []
        self._errors: defaultdict[UUID, list[BaseException]] = defaultdict(list)

    async def attempt(self, job: JobModel) -> None:
        """Run the handler once and settle."""
        self.attempts += 1
        try:
            await self._consumer.start_job(job)
            await self._run(job)
        except LeaseLost:
            self._lost.append(job)
        if job.status.is_final:
            self._ended.append(job)

    async def result(self, producer: PgQueuerProducer) -> DrainResult:
        ended = [await _as_recorded(producer, job) for job in self._ended]
        by_status = {status: [job for job in ended if job.status is status] for status in JobStatus}
        return DrainResult(
            by_status[JobStatus.COMPLETED],
            by_status[JobStatus.FAILED],
            by_status[JobStatus.CANCELLED],
            self._lost,
            self.attempts,
            dict(self._errors),
        )

    async def _run(self, job: JobModel) -> None:
        answers: list[Any] = []
        raised: list[BaseException] = []

        async def watched(job: JobModel) -> Any:
            try:
                answers.append(await _call(self._handler, job))
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                raised.append(error)
                raise
            return answers[0]

        settlement = await execute(job, watched, sys.maxsize)
        if settlement.outcome == "completed":
            try:
                await self._consumer.complete_job(job, answers[0])
            except InvalidJob as refusal:  # it is over the limit
                await self._fail(job, AttemptFailed(str(refusal)), str(refusal), business=True)
            return
        text = settlement.error or ""
        error = raised[0] if raised else AttemptFailed(text)
        await self._fail(job, error, text, business=settlement.outcome == "business")

    async def _fail(self, job: JobModel, error: BaseException, text: str, *, business: bool) -> None:
        error.add_note(f"in attempt {job.attempt} of {job.max_retries} of {job.workflow}, job {job.id}")
        self._errors[_id_of(job)].append(error)
        await self._consumer.fail_job(job, text, business=business, retry_in=0)


async def _call(handler: Handler, job: JobModel) -> Any:
    if inspect.iscoroutinefunction(handler):
        return await handler(job)
    answer = await asyncio.to_thread(handler, job)
    return await answer if inspect.isawaitable(answer) else answer


async def _as_recorded(producer: PgQueuerProducer, job: JobModel) -> JobModel:
    try:
        return await producer.get_job(_id_of(job))
    except JobNotFound:
        return job


def _raise_last_errors(result: DrainResult) -> None:
    errors = [result.errors[_id_of(job)][-1] for job in result.failed]
    if len(errors) == 1:
        raise errors[0]
    raise BaseExceptionGroup(f"{len(errors)} jobs failed for good", errors)


def _id_of(job: JobModel) -> UUID:
    assert job.id is not None  # noqa: S101 - a claimed job has one
    return job.id
