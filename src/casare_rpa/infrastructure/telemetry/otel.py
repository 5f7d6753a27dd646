"""Spans of OpenTelemetry. Imported only by a program that has imported OpenTelemetry itself (see `tracing`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from casare_rpa import __version__
from casare_rpa.infrastructure.telemetry.trace_context import TRACEPARENT, TRACESTATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

_SCOPE = "casare_rpa"
_W3C = TraceContextTextMapPropagator()
_TYPE_OF_AN_ERROR = re.compile(r"([A-Za-z_]\w{0,99}): ")


class EnqueueSpan:
    """A span around one call that enqueues."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[context.Context] | None = None
        self.carrier: dict[str, str] = {}
        """What the jobs carry to their handlers."""

    @classmethod
    def begin(cls, queues: Callable[[], list[str]], jobs: int) -> EnqueueSpan | None:
        """Start a span, a child of the current one; None when there is nobody to record it and no trace to go on with."""
        provider = trace.get_tracer_provider()
        if _is_unset(provider) and not trace.get_current_span().get_span_context().is_valid:
            return None
        attributes: dict[str, Any] = {
            "messaging.system": _SCOPE,
            "messaging.operation.name": "enqueue",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": jobs,
        }
        name = "enqueue"
        if len(names := queues()) == 1:
            attributes["messaging.destination.name"] = names[0]
            name = f"enqueue {names[0]}"
        return cls(_tracer(provider).start_span(name, kind=trace.SpanKind.PRODUCER, attributes=attributes))

    def enter(self) -> None:
        """Make the span current, and put its context into the carrier."""
        inside = trace.set_span_in_context(self._span)
        _W3C.inject(self.carrier, inside)
        self._token = context.attach(inside)

    def leave(self, job_id: str | None, error: BaseException | None) -> None:
        """End the span; a single job's id is the message's."""
        if self._token is not None:
            context.detach(self._token)
        if job_id is not None:
            self._span.set_attribute("messaging.message.id", job_id)
        if error is not None:
            _fail(self._span, type(error).__name__, str(error).split("\n", 1)[0])
        self._span.end()


class ProcessSpan:
    """A span around the handler of one attempt, current inside it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[context.Context] | None = None

    @classmethod
    def begin(cls, carrier: Mapping[str, str], attributes: Callable[[], dict[str, Any]]) -> ProcessSpan | None:
        """Start a child of the span whose context is in `carrier`, a well formed one if any, to which a retry is linked too.

        Return None when there is nobody to record it and no trace.
        """
        provider = trace.get_tracer_provider()
        if _is_unset(provider) and not carrier:
            return None
        enqueued = _span_context(carrier) if carrier else None
        parent = context.Context()
        if enqueued is not None:
            parent = trace.set_span_in_context(trace.NonRecordingSpan(enqueued), parent)
        described = attributes()
        is_retry = described["casare.attempt"] > 1
        span = _tracer(provider).start_span(
            f"process {described['messaging.destination.name']}",
            context=parent,
            kind=trace.SpanKind.CONSUMER,
            attributes={
                "messaging.system": _SCOPE,
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                **described,
            },
            links=[trace.Link(enqueued)] if enqueued is not None and is_retry else None,
        )
        return cls(span)

    @property
    def trace_id(self) -> str | None:
        """The trace, 32 hexadecimal digits."""
        found = self._span.get_span_context()
        return trace.format_trace_id(found.trace_id) if found.is_valid else None

    def enter(self) -> None:
        """Make the span current."""
        self._token = context.attach(trace.set_span_in_context(self._span))

    def leave(self, outcome: str, error: str | None) -> None:
        """End the span, with the first line of the error when the attempt failed."""
        if self._token is not None:
            context.detach(self._token)
        self._span.set_attribute("casare.outcome", outcome)
        if error is not None:
            error = error.split("\n", 1)[0]
            kind = _TYPE_OF_AN_ERROR.match(error)
            _fail(self._span, kind[1] if kind else "_OTHER", error[kind.end() :] if kind else error)
        self._span.end()


def _span_context(carrier: Mapping[str, str]) -> trace.SpanContext:
    """Return what OpenTelemetry's propagator would, which looks for faults that are known not to be there, in twice the time."""
    _, trace_id, span_id, flags, *_ = carrier[TRACEPARENT].split("-")
    state = carrier.get(TRACESTATE)
    return trace.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16)),
        trace_state=trace.TraceState.from_header([state]) if state else None,
    )


def _fail(span: trace.Span, kind: str, message: str) -> None:
    """Say that it failed, without a stack: what is recorded leaves the house, and the queue keeps the whole text anyway."""
    span.set_attribute("error.type", kind)
    span.add_event("exception", {"exception.type": kind, "exception.message": message[:500]})
    span.set_status(trace.StatusCode.ERROR, kind)


def _is_unset(provider: trace.TracerProvider) -> bool:
    return isinstance(provider, trace.ProxyTracerProvider)


@lru_cache(maxsize=1)
def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    """Return the provider's tracer, which is made once: making one takes as long as a span."""
    return provider.get_tracer(_SCOPE, __version__)
