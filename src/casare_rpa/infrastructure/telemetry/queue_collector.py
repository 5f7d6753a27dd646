"""`QueueCollector`: how full the queues are, asked of the database whenever Prometheus asks."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from casare_rpa.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from prometheus_client.metrics_core import Metric

MOST_QUEUES = 100
"""Queues that one collector looks at."""
LONGEST_LOOK = 5.0
"""Seconds that the database has for an answer."""


class DepthSource(Protocol):
    """A producer, as far as it is used here."""

    async def get_queue_depth(self, queue_name: str | None = None) -> int: ...


class QueueCollector(Collector):
    """Tells a registry how many jobs are due in some queues: ``registry.register(QueueCollector(producer, ["invoices"]))``.

    Make it inside the event loop that the producer was opened in. The registry is best read in another thread, as `serve_metrics`
    does; read inside that very loop it shows what it found the time before. One collector for each queue is enough: it is
    the same number everywhere.

    Args:
        producer: an open producer.
        queues: names of 1 to 100 queues.

    Raises:
        ConfigError: there are no queues, or too many, or no event loop is running here.

    """

    def __init__(self, producer: DepthSource, queues: Iterable[str]) -> None:
        self._queues = [queues] if isinstance(queues, str) else list(dict.fromkeys(queues))
        if not 1 <= len(self._queues) <= MOST_QUEUES:
            raise ConfigError(f"a QueueCollector takes 1 to {MOST_QUEUES} queues, not {len(self._queues)}")
        self._producer = producer
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigError(
                "a QueueCollector is made inside the event loop that its producer was opened in"
            ) from None
        self._lock = threading.Lock()
        self._looking: Future[dict[str, int]] | None = None
        self._found: dict[str, int] = {}

    def describe(self) -> Iterator[Metric]:
        """Name what is collected, for the registry to register it without asking the database."""
        yield from _families({}, answered=True)

    def collect(self) -> Iterator[Metric]:
        """Ask, and return what was found; without an answer in 5 seconds, nothing but that there was none."""
        with self._lock:
            answered = self._look_from_inside() if self._is_inside() else self._look_from_outside()
            found = dict(self._found)
        yield from _families(found, answered=answered)

    def _is_inside(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _look_from_outside(self) -> bool:
        look = self._look()
        try:
            looking = asyncio.run_coroutine_threadsafe(look, self._loop)
        except RuntimeError:  # the loop is closed
            look.close()
            self._found = {}
            return False
        try:
            self._found = looking.result(LONGEST_LOOK)
        except Exception:  # noqa: BLE001 - whatever kept the answer away: the other metrics are shown all the same
            looking.cancel()
            self._found = {}
            return False
        return True

    def _look_from_inside(self) -> bool:
        """Take what the last look has found and begin the next one: who waits for it here would stop it."""
        last = self._looking
        if last is not None and not last.done():
            return bool(self._found)
        self._found = {} if last is None or last.cancelled() or last.exception() is not None else last.result()
        self._looking = asyncio.run_coroutine_threadsafe(self._look(), self._loop)
        return bool(self._found)

    async def _look(self) -> dict[str, int]:
        async with asyncio.timeout(LONGEST_LOOK):
            return {queue: await self._producer.get_queue_depth(queue) for queue in self._queues}


def _families(found: dict[str, int], *, answered: bool) -> Iterator[Metric]:
    depth = GaugeMetricFamily("casare_queue_depth", "Jobs that are pending and due", labels=["queue"])
    for queue, jobs in found.items():
        depth.add_metric([queue], jobs)
    yield depth
    yield GaugeMetricFamily("casare_queue_up", "Whether the database answered", value=answered)
