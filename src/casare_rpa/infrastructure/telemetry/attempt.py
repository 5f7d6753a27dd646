"""One attempt of a job, while its handler runs: its clock, its span, and what lines of the log say that are written inside it."""

from __future__ import annotations

import sys
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from casare_rpa.infrastructure.telemetry.events import Event
from casare_rpa.infrastructure.telemetry.log import Log
from casare_rpa.infrastructure.telemetry.trace_context import context_of, trace_id_of
from casare_rpa.infrastructure.telemetry.tracing import API, begin_process

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

    from casare_rpa.infrastructure.telemetry.job import Job
    from casare_rpa.infrastructure.telemetry.otel import ProcessSpan

_modules = sys.modules
_NO_CONTEXT: dict[str, str] = {}
_current: ContextVar[Attempt | None] = ContextVar("casare_attempt", default=None)


class Attempt:
    """What telemetry knows of an attempt; nothing that the handler does to the model changes it.

    The handler runs inside of ``with attempt``, in a context of its own. Whatever goes wrong with tracing, the handler runs.
    """

    seconds: float | None = None
    """Time in the handler, once it has ended."""
    # Set when there is something to keep: one of these is made for every job.
    _ended: tuple[str, str | None] = ("released", None)
    _span: ProcessSpan | None = None
    _began = 0.0

    def __init__(self, robot_id: str, queue: str, job: Job) -> None:
        self.robot_id = robot_id
        self.queue = queue
        self.job_id = job.id
        self.workflow = job.workflow
        self.number = job.attempt
        self._carrier = context_of(job.metadata) if job.metadata else _NO_CONTEXT

    def ended(self, outcome: str, error: str | None) -> None:
        """Say how the handler ended, before leaving."""
        self._ended = (outcome, error)

    def fields(self) -> dict[str, Any]:
        """Return what a line of the log says of this attempt."""
        fields: dict[str, Any] = {"job_id": str(self.job_id), "workflow": self.workflow, "attempt": self.number}
        trace_id = self._span.trace_id if self._span is not None else trace_id_of(self._carrier)
        return fields | ({"trace_id": trace_id} if trace_id else {})

    def __enter__(self) -> Self:
        _current.set(self)
        if API in _modules:
            self._enter_span()
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._began
        if self._span is not None:
            self._leave_span(self._span)

    def _enter_span(self) -> None:
        try:
            self._span = begin_process(self._carrier, self._attributes)
            if self._span is not None:
                self._span.enter()
        except Exception as error:  # noqa: BLE001 - an exporter's fault is not the job's
            tracing_failed(error)

    def _leave_span(self, span: ProcessSpan) -> None:
        try:
            span.leave(*self._ended)
        except Exception as error:  # noqa: BLE001 - as above
            tracing_failed(error)

    def _attributes(self) -> dict[str, Any]:
        return {
            "messaging.destination.name": self.queue,
            "messaging.message.id": str(self.job_id),
            "messaging.client.id": self.robot_id,
            "casare.workflow": self.workflow,
            "casare.attempt": self.number,
        }


def add_job_context(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the job that is being worked on to a line of the log: a processor for structlog.

    Inside a handler, and in threads that got its context, it sets `robot_id`, `queue`, `job_id`, `workflow`, `attempt`, and
    `trace_id` when the job carries a trace. What the line has already stays.
    """
    attempt = _current.get()
    if attempt is not None:
        fields = {"robot_id": attempt.robot_id, "queue": attempt.queue, **attempt.fields()}
        for name, value in fields.items():
            event_dict.setdefault(name, value)
    return event_dict


def tracing_failed(error: Exception) -> None:
    """Say that a span could not be recorded."""
    Log("tracing").warning(Event.TRACING_FAILED, error=f"{type(error).__name__}: {error}")
