"""Tracing, for programs that have set OpenTelemetry up; for all others it costs one look into a dictionary.

A program that has not imported `opentelemetry.trace` cannot have set a provider, so neither is it imported here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casare_rpa.infrastructure.telemetry.otel import EnqueueSpan, ProcessSpan

API = "opentelemetry.trace"
"""The module without which a program cannot have set OpenTelemetry up."""


def begin_enqueue(queues: Callable[[], list[str]], jobs: int) -> EnqueueSpan | None:
    """Start the span of a call that enqueues, if this program traces."""
    if API not in sys.modules:
        return None
    from casare_rpa.infrastructure.telemetry.otel import EnqueueSpan  # noqa: PLC0415 - see above

    return EnqueueSpan.begin(queues, jobs)


def begin_process(carrier: Mapping[str, str], attributes: Callable[[], dict[str, Any]]) -> ProcessSpan | None:
    """Start the span of an attempt, if this program traces; the attributes are asked for only then."""
    if API not in sys.modules:
        return None
    from casare_rpa.infrastructure.telemetry.otel import ProcessSpan  # noqa: PLC0415 - see above

    return ProcessSpan.begin(carrier, attributes)
