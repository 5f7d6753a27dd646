"""What a producer tells: the jobs it enqueues, and whether its database is there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from casare_rpa.infrastructure.telemetry.attempt import tracing_failed
from casare_rpa.infrastructure.telemetry.database_watch import DatabaseWatch
from casare_rpa.infrastructure.telemetry.events import Event
from casare_rpa.infrastructure.telemetry.log import Log
from casare_rpa.infrastructure.telemetry.tracing import begin_enqueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from uuid import UUID

    from casare_rpa.infrastructure.telemetry.metrics import Metrics
    from casare_rpa.infrastructure.telemetry.otel import EnqueueSpan


class ProducerTelemetry:
    """The log lines and numbers of one producer. Without `metrics`, no numbers."""

    def __init__(self, queue: str, metrics: Metrics | None) -> None:
        self.queue = queue
        self._metrics = metrics
        self._log = Log("producer")
        self.database = DatabaseWatch(self._log, "calls", queue, metrics)

    def enqueuing(self, jobs: Sequence[Any]) -> EnqueueCall:
        """Return the context to enqueue these in."""
        return EnqueueCall(self, jobs)

    def queues_of(self, jobs: Sequence[Any]) -> list[str]:
        """Return the names of the queues that jobs are for."""
        return sorted({getattr(job, "queue_name", None) or self.queue for job in jobs})

    def enqueued(self, jobs_by_queue: Mapping[str, int]) -> None:
        """These numbers of jobs were enqueued."""
        if self._metrics is not None:
            self._metrics.enqueued(jobs_by_queue)
        if self._log.shows_jobs():
            for queue, jobs in jobs_by_queue.items():
                self._log.debug(Event.JOBS_ENQUEUED, queue=queue, jobs=jobs)


class EnqueueCall:
    """One call that enqueues. Whatever goes wrong with tracing, the jobs are enqueued."""

    def __init__(self, producer: ProducerTelemetry, jobs: Sequence[Any]) -> None:
        self._producer = producer
        self._jobs = jobs
        self._span: EnqueueSpan | None = None
        self._job_id: str | None = None

    @property
    def carrier(self) -> dict[str, str]:
        """What the jobs are to carry in their metadata, those without a trace context of their own."""
        return self._span.carrier if self._span is not None else {}

    def enqueued(self, ids: Sequence[UUID], jobs_by_queue: Mapping[str, int], but: Sequence[Any]) -> None:
        """The call succeeded, with so many jobs for each queue, `but` for those that were there already."""
        if self._span is not None and len(ids) == 1:
            self._job_id = str(ids[0])
        enqueued = Counter(jobs_by_queue)
        for job in but:
            enqueued[job.queue_name or self._producer.queue] -= 1
        self._producer.enqueued(enqueued)

    def __enter__(self) -> Self:
        try:
            self._span = begin_enqueue(lambda: self._producer.queues_of(self._jobs), len(self._jobs))
            if self._span is not None:
                self._span.enter()
        except Exception as error:  # noqa: BLE001 - an exporter's fault is not the job's
            tracing_failed(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._span is not None:
                self._span.leave(self._job_id, error)
        except Exception as fault:  # noqa: BLE001 - as above
            tracing_failed(fault)
