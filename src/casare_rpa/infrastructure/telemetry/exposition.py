"""Shows what `Metrics` has counted to prometheus-client."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.telemetry.metrics import Metrics
from casare_rpa.infrastructure.telemetry.series import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from prometheus_client.metrics_core import Metric

    from casare_rpa.infrastructure.telemetry.series import Counter, Histogram

_enabling = threading.Lock()
_enabled: WeakKeyDictionary[CollectorRegistry, Metrics] = WeakKeyDictionary()


def enable_metrics(registry: CollectorRegistry = REGISTRY) -> Metrics:
    """Return the metrics of a registry, prometheus-client's own by default, to be given to consumers and producers.

    Enabling twice returns the same object, so any number of consumers may count into one registry.

    Raises:
        ValueError: the registry has metrics of these names from somewhere else.

    """
    with _enabling:
        if registry not in _enabled:
            metrics = Metrics()
            registry.register(_MetricsCollector(metrics))
            _enabled[registry] = metrics
        return _enabled[registry]


class MetricsServer:
    """Serves a registry over HTTP at `url`, from `serve_metrics` until `close`; it is a context manager too."""

    def __init__(self, port: int, host: str, registry: CollectorRegistry) -> None:
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise ConfigError(f"metrics cannot be served on {host}:{port}: {error.strerror or error}") from None
        address = f"[{host}]" if ":" in host else host
        self.url = f"http://{address}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Serve no more; closing twice is safe."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_metrics(port: int, host: str = "127.0.0.1", registry: CollectorRegistry = REGISTRY) -> MetricsServer:
    """Serve a registry over HTTP, in a thread of its own.

    Whoever reaches the port may read: there is no login, only numbers and the names of queues and workflows.

    Args:
        port: 0 is any that is free.
        host: the address to listen on; this machine only by default.
        registry: prometheus-client's own by default.

    Raises:
        ConfigError: nothing can listen there.

    """
    return MetricsServer(port, host, registry)


class _MetricsCollector(Collector):
    """Reads `Metrics` when the registry is read."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        counters, histograms = self._metrics.read()
        yield from map(_counter, counters)
        yield from map(_histogram, histograms)
        slots = GaugeMetricFamily(
            "casare_slots", "Jobs that the robots of this process may hold at once", labels=["queue"]
        )
        busy = GaugeMetricFamily("casare_slots_busy", "Jobs that they hold", labels=["queue"])
        for queue, (total, in_use) in self._metrics.slots().items():
            slots.add_metric([queue], total)
            busy.add_metric([queue], in_use)
        yield slots
        yield busy


def _counter(counter: Counter) -> CounterMetricFamily:
    family = CounterMetricFamily(counter.name, counter.text, labels=counter.labels)
    for labels, value in counter.values.items():
        family.add_metric(labels, value)
    return family


def _histogram(histogram: Histogram) -> HistogramMetricFamily:
    family = HistogramMetricFamily(histogram.name, histogram.text, labels=histogram.labels)
    bounds = [*map(str, BUCKETS), "+Inf"]
    for labels, distribution in histogram.values.items():
        below, buckets = 0, []
        for bound, observations in zip(bounds, distribution.buckets, strict=True):
            below += observations
            buckets.append((bound, float(below)))
        family.add_metric(labels, buckets, distribution.total[0])
    return family
