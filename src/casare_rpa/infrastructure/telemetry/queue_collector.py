"""`QueueCollector`: how queues are doing, asked of the database whenever Prometheus asks."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from casare_rpa.foundation.errors import ConfigError, NotPermitted, QueueNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from prometheus_client.metrics_core import Metric

MOST_QUEUES = 100
"""Queues that one collector looks at."""
BY_NAME = 10
"""Up to so many are asked for one by one: what others there are costs nothing then."""
LONGEST_LOOK = 5.0
"""Seconds that the database has for an answer."""


class Queue(Protocol):
    """How a queue is doing, as a producer's `list_queues` says."""

    @property
    def queue_name(self) -> str: ...

    @property
    def due(self) -> int: ...

    @property
    def deferred(self) -> int: ...

    @property
    def claimed(self) -> int: ...

    @property
    def running(self) -> int: ...

    @property
    def dead_letters(self) -> int: ...

    @property
    def oldest_seconds(self) -> float | None: ...

    @property
    def is_paused(self) -> bool: ...


class Producer(Protocol):
    """A producer, as far as it is used here."""

    async def list_queues(self) -> Sequence[Queue]: ...

    async def get_queue(self, queue_name: str) -> Queue: ...


class QueueCollector(Collector):
    """Tells a registry how some queues are doing: ``registry.register(QueueCollector(producer, ["invoices"]))``.

    Make it inside the event loop that the producer was opened in. The registry is best read in another thread, as `serve_metrics`
    does; read inside that very loop it shows what it found the time before. One collector for each queue is enough: its
    numbers are the same everywhere.

    Args:
        producer: an open producer.
        queues: names of 1 to 100 queues.

    Raises:
        ConfigError: there are no queues, or too many, or no event loop is running here.

    """

    def __init__(self, producer: Producer, queues: Iterable[str]) -> None:
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
        self._looking: Future[dict[str, Queue | None]] | None = None
        self._found: dict[str, Queue | None] = {}

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

    async def _look(self) -> dict[str, Queue | None]:
        """Return what is known of each queue; one that has never had a job is not known."""
        async with asyncio.timeout(LONGEST_LOOK):
            if len(self._queues) <= BY_NAME:
                return {name: await self._look_at(name) for name in self._queues}
            known = {queue.queue_name: queue for queue in await self._producer.list_queues()}
        return {name: known.get(name) for name in self._queues}

    async def _look_at(self, name: str) -> Queue | None:
        try:
            return await self._producer.get_queue(name)
        except (QueueNotFound, NotPermitted):
            return None


def _families(found: Mapping[str, Queue | None], *, answered: bool) -> Iterator[Metric]:
    depth = GaugeMetricFamily("casare_queue_depth", "Jobs that are pending and due", labels=["queue"])
    jobs = GaugeMetricFamily(
        "casare_queue_jobs", "Jobs in the other states that they are in", labels=["queue", "state"]
    )
    oldest = GaugeMetricFamily(
        "casare_queue_oldest_seconds", "How long the first in line has been due", labels=["queue"]
    )
    paused = GaugeMetricFamily("casare_queue_paused", "Whether the queue hands out no jobs", labels=["queue"])
    for name, queue in found.items():
        depth.add_metric([name], queue.due if queue else 0)
        for state in ("deferred", "claimed", "running", "dead_letters"):
            jobs.add_metric([name, state], getattr(queue, state, 0))
        oldest.add_metric([name], (queue and queue.oldest_seconds) or 0.0)
        paused.add_metric([name], bool(queue and queue.is_paused))
    yield from (depth, jobs, oldest, paused)
    yield GaugeMetricFamily("casare_queue_up", "Whether the database answered", value=answered)
