"""Logs, metrics and traces of robots and producers.

Logs go to the standard library's loggers below ``casare_rpa``; metrics are counted by whoever is given the `Metrics` of
`enable_metrics`; traces are recorded when the program has set OpenTelemetry up, without a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.telemetry.attempt import add_job_context
from casare_rpa.infrastructure.telemetry.logging_setup import configure_logging
from casare_rpa.infrastructure.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from casare_rpa.infrastructure.telemetry.exposition import MetricsServer, enable_metrics, serve_metrics
    from casare_rpa.infrastructure.telemetry.queue_collector import QueueCollector

__all__ = [
    "Metrics",
    "MetricsServer",
    "QueueCollector",
    "add_job_context",
    "configure_logging",
    "enable_metrics",
    "serve_metrics",
]


def __getattr__(name: str) -> Any:
    """Import what needs prometheus-client, which brings an HTTP server, when it is first asked for."""
    if name == "QueueCollector":
        from casare_rpa.infrastructure.telemetry import queue_collector  # noqa: PLC0415 - see above

        return queue_collector.QueueCollector
    if name in __all__:
        from casare_rpa.infrastructure.telemetry import exposition  # noqa: PLC0415 - see above

        return getattr(exposition, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
