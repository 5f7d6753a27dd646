"""`PgQueuerSyncProducer`: the producer for programs that are not async."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.queue.background import BackgroundLoop
from casare_rpa.infrastructure.queue.producer import PgQueuerProducer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType
    from uuid import UUID

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.queue.filters import JobFilter
    from casare_rpa.infrastructure.queue.models import EnqueueResult, JobAttempt, JobModel, JobStatus, QueueHealth
    from casare_rpa.infrastructure.queue.pages import JobPage
    from casare_rpa.infrastructure.telemetry.metrics import Metrics

T = TypeVar("T")


class PgQueuerSyncProducer:
    """A `PgQueuerProducer` whose calls block instead of being awaited, for scripts, threads and web workers.

    Use it as ``with PgQueuerSyncProducer(config) as producer``. It may be used from many threads at once; its own thread has the
    event loop and the connections. Every call raises what the method of the same name of `PgQueuerProducer` raises, and
    `ConfigError` when the producer is not open, when it is used in another process after a fork, or in a thread that runs an event
    loop. Ctrl-C interrupts any call; whether an enqueue has taken effect is unknown then.

    To enqueue inside a transaction of psycopg, SQLAlchemy or Django, call the SQL function ``enqueue_job`` on its connection.

    Args:
        config: the queue and its settings.
        metrics: what `enable_metrics` returned; None counts nothing.

    """

    def __init__(self, config: QueueConfig, *, metrics: Metrics | None = None) -> None:
        self.config = config
        self._metrics = metrics
        self._opening = threading.Lock()
        self._loop: BackgroundLoop | None = None
        self._producer: PgQueuerProducer | None = None

    def _make_producer(self) -> PgQueuerProducer:
        return PgQueuerProducer(self.config, metrics=self._metrics)

    def __enter__(self) -> Self:
        """Connect and check the schema.

        Raises:
            DatabaseUnavailable, ServerTooOld, SchemaMissing, SchemaTooNew, NotPermitted, ConfigError: the queue cannot be used.

        """
        with self._opening:
            if self._loop is not None and self._loop.is_ours:
                raise ConfigError("this producer is open already")
            loop = BackgroundLoop("casare sync producer")
            try:
                producer = self._make_producer()
                loop.run(producer.__aenter__)
            except BaseException:
                loop.stop()
                raise
            self._loop, self._producer = loop, producer
            return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Announce what is left to announce and disconnect; calls of other threads get an error. Closing twice is safe."""
        with self._opening:
            loop, self._loop = self._loop, None
            producer, self._producer = self._producer, None
        if loop is None or producer is None or not loop.is_ours:
            return
        try:
            loop.run(producer.close)
        finally:
            loop.stop()

    def enqueue_job(self, job: JobModel) -> UUID:
        """Put one job into its queue and return its id.

        Args:
            job: what is to be done.

        Raises:
            DuplicateReference: another job has its reference; the error names it.
            InvalidJob: its payload cannot be stored.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """
        return self._run(lambda producer: producer.enqueue_job(job))

    @overload
    def enqueue_batch(self, jobs: Sequence[JobModel], *, mode: Literal["all"] = "all") -> list[UUID]: ...

    @overload
    def enqueue_batch(self, jobs: Sequence[JobModel], *, mode: Literal["each"]) -> list[EnqueueResult]: ...

    def enqueue_batch(
        self, jobs: Sequence[JobModel], *, mode: Literal["all", "each"] = "all"
    ) -> list[UUID] | list[EnqueueResult]:
        """Put up to 10,000 jobs into their queues, in this order and in one transaction.

        Args:
            jobs: what is to be done.
            mode: ``all`` enqueues every job or none and returns their ids. ``each`` enqueues those that can be and returns an
                `EnqueueResult` for every job, with its id or with the error that kept it out.

        Raises:
            DuplicateReference: (``all``) a reference is taken, by another job or within the batch.
            InvalidJob: (``all``) a payload cannot be stored; (both) there are more than 10,000 jobs, or something is no job.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """

        async def enqueue(producer: PgQueuerProducer) -> list[Any]:
            return await producer.enqueue_batch(jobs, mode=mode)

        return self._run(enqueue)

    def get_job(self, job_id: UUID | str) -> JobModel:
        """Return a job wherever it lives now: waiting, held, ended or dead.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_job(job_id))

    def get_job_status(self, job_id: UUID | str) -> JobStatus:
        """Return a job's status.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_job_status(job_id))

    def get_attempts(self, job_id: UUID | str) -> list[JobAttempt]:
        """Return every ended attempt of a job, oldest first.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_attempts(job_id))

    def list_jobs(self, where: JobFilter | None = None, *, limit: int = 100, after: str | None = None) -> JobPage:
        """Return a page of the jobs that match, newest first; see `PgQueuerProducer.list_jobs`.

        Args:
            where: which jobs; None is all of them.
            limit: jobs returned at most, 1 to 1000.
            after: `next` of the page before; None begins.

        """
        return self._run(lambda producer: producer.list_jobs(where, limit=limit, after=after))

    def get_queue_depth(self, queue_name: str | None = None) -> int:
        """Return how many jobs of a queue (the configured one by default) are PENDING and due, paused or not."""
        return self._run(lambda producer: producer.get_queue_depth(queue_name))

    def cancel_job(self, job_id: UUID | str) -> bool:
        """Cancel a job; return True when it is cancelled or its robot has been asked to stop, False when it has ended already.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.cancel_job(job_id))

    def redrive_jobs(self, job_ids: Sequence[UUID | str]) -> list[UUID]:
        """Put dead letters back into their queues, starting at attempt 1, and return the ids of those that were."""
        return self._run(lambda producer: producer.redrive_jobs(job_ids))

    def wait_for(self, job_id: UUID | str, *, timeout: float | None = None) -> JobModel:
        """Return a job as soon as it has ended: COMPLETED, FAILED or CANCELLED; at once when that was long ago.

        Args:
            job_id: the job.
            timeout: seconds to wait, more than 0; None waits for as long as it takes.

        Raises:
            JobNotFound: there is none with this id.
            WaitTimedOut: it has not ended in time. It goes on.

        """
        return self._run(lambda producer: producer.wait_for(job_id, timeout=timeout))

    def health_check(self) -> QueueHealth:
        """Return whether the queue can be used, and what was found; takes 5 seconds at most."""
        return self._run(lambda producer: producer.health_check())

    def _run(self, call: Callable[[PgQueuerProducer], Coroutine[Any, Any, T]]) -> T:
        loop, producer = self._loop, self._producer
        if loop is None or producer is None:
            raise ConfigError("the producer is not open: use it as `with PgQueuerSyncProducer(...) as producer`")
        return loop.run(lambda: call(producer))
