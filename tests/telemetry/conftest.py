"""Fixtures: a registry of one's own, spans that are kept, a log that is read, and everything global put back."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from prometheus_client import CollectorRegistry

from casare_rpa.infrastructure.telemetry import enable_metrics
from casare_rpa.infrastructure.telemetry.log import EVENT, FIELDS
from tests.cli.conftest import _clean_environment, casare, database, start  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casare_rpa.infrastructure.telemetry import Metrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return enable_metrics(registry)


@pytest.fixture
def value(registry: CollectorRegistry) -> Callable[..., float | None]:
    """Read one number, as ``value("casare_claims_total", result="empty")``; the queue is the configured one."""

    def read(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"queue": "casare_rpa_jobs", **labels})

    return read


def set_provider(provider: TracerProvider | None) -> None:
    """Set the process's provider of tracers, which OpenTelemetry allows once only, or none."""
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    if provider is not None:
        trace.set_tracer_provider(provider)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """This program traces; its spans are kept here as they end."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_provider(provider)
    yield exporter
    provider.shutdown()
    set_provider(None)


class Lines:
    """What the library has logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def __call__(self, event: str) -> list[dict[str, Any]]:
        """Return the fields of every line of this event, its level among them."""
        return [
            {**vars(record)[FIELDS], "level": record.levelname.lower()}
            for record in self._caplog.records
            if vars(record).get(EVENT) == event
        ]

    @property
    def text(self) -> str:
        return self._caplog.text


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.DEBUG, "casare_rpa")
    return Lines(caplog)


@pytest.fixture
def stream() -> io.StringIO:
    """Where to let `configure_logging` write."""
    return io.StringIO()
