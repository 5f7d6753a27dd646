"""`Metrics`: what the robots and producers of this process have done, in numbers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.telemetry.names import BoundedNames
from casare_rpa.infrastructure.telemetry.series import Counter, Histogram, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casare_rpa.infrastructure.telemetry.job import Job

Slots = tuple[int, int]


class Metrics:
    """Counts for any number of robots and producers, in any thread. `enable_metrics` makes one and shows it to Prometheus."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names = BoundedNames()
        self._slots: dict[object, tuple[str, Callable[[], Slots]]] = {}
        self._enqueued = Counter("casare_jobs_enqueued", "Jobs put into a queue", "queue")
        self._claimed = Counter("casare_jobs_claimed", "Jobs claimed", "queue")
        self._claims = Counter("casare_claims", "Claims sent: with jobs, empty, failed", "queue", "result")
        self._settled = Counter(
            "casare_jobs_settled",
            "Attempts settled: completed, retried, failed for good, released, cancelled",
            *("queue", "workflow", "outcome"),
        )
        self._lost = Counter("casare_leases_lost", "Leases lost while their jobs were worked on", "queue")
        self._heartbeats = Counter("casare_heartbeats", "Heartbeats: answered, failed", "queue", "result")
        self._retries = Counter("casare_database_retries", "Calls sent again because the database was away", "queue")
        self._waits = Histogram(
            "casare_job_wait_seconds", "From when a job was due to its first claim, by the database's clock", "queue"
        )
        self._durations = Histogram("casare_job_duration_seconds", "Time in the handler", "queue", "workflow")
        self.counters = (
            *(self._enqueued, self._claimed, self._claims, self._settled),
            *(self._lost, self._heartbeats, self._retries),
        )
        self.histograms = (self._waits, self._durations)

    def enqueued(self, jobs_by_queue: Mapping[str, int]) -> None:
        """These numbers of jobs were enqueued."""
        with self._lock:
            for queue, jobs in jobs_by_queue.items():
                self._enqueued.add((self._names.queue(queue),), jobs)

    def claimed(self, queue: str, jobs: Sequence[Job]) -> None:
        """A claim came back with these jobs."""
        with self._lock:
            queue = self._names.queue(queue)
            self._claims.add((queue, "jobs" if jobs else "empty"))
            if not jobs:
                return
            self._claimed.add((queue,), len(jobs))
            # A later attempt has no time of its own from which it was due.
            observe(self._waits.at((queue,)), [_wait(job) for job in jobs if job.attempt == 1])

    def claim_failed(self, queue: str) -> None:
        """A claim failed, or its answer was given up."""
        with self._lock:
            self._claims.add((self._names.queue(queue), "failed"))

    def settled(
        self, queue: str, workflow: str, outcome: str, seconds: float | None = None, *, attempts: int = 1
    ) -> None:
        """Attempts were settled, after so many seconds in the handler if it was called."""
        with self._lock:
            pair = self._names.pair(queue, workflow)
            self._settled.add((*pair, outcome), attempts)
            if seconds is not None:
                observe(self._durations.at(pair), (seconds,))

    def lease_lost(self, queue: str) -> None:
        """A lease was lost."""
        with self._lock:
            self._lost.add((self._names.queue(queue),))

    def heartbeat(self, queue: str, *, answered: bool) -> None:
        """A heartbeat was answered, or the link it goes over broke."""
        with self._lock:
            self._heartbeats.add((self._names.queue(queue), "answered" if answered else "failed"))

    def database_retry(self, queue: str) -> None:
        """A call is sent again."""
        with self._lock:
            self._retries.add((self._names.queue(queue),))

    def watch_slots(self, robot: object, queue: str, read: Callable[[], Slots]) -> None:
        """Show the slots of a robot, of which `read` returns how many there are and how many are busy, until `forget_slots`."""
        with self._lock:
            self._slots[robot] = (self._names.queue(queue), read)

    def forget_slots(self, robot: object) -> None:
        """Show the slots of a robot no more."""
        with self._lock:
            self._slots.pop(robot, None)

    def slots(self) -> dict[str, Slots]:
        """Return, by queue, how many slots this process's robots have and how many of them are busy."""
        found: dict[str, Slots] = {}
        with self._lock:
            for queue, read in self._slots.values():
                total, busy = found.get(queue, (0, 0))
                slots, in_use = read()
                found[queue] = (total + slots, busy + in_use)
        return found

    def read(self) -> tuple[list[Counter], list[Histogram]]:
        """Return a copy of every number, as of one moment."""
        with self._lock:
            counters = [Counter(each.name, each.text, *each.labels) for each in self.counters]
            for counter, source in zip(counters, self.counters, strict=True):
                counter.values = dict(source.values)
            histograms = [Histogram(each.name, each.text, *each.labels) for each in self.histograms]
            for histogram, of in zip(histograms, self.histograms, strict=True):
                for labels, found in of.values.items():
                    copy = histogram.at(labels)
                    copy.buckets[:], copy.total[:] = found.buckets, found.total
        return counters, histograms


def _wait(job: Job) -> float:
    """Return the seconds from when a job was due to its claim."""
    created, run_at, claimed = job.created_at, job.run_at, job.claimed_at
    if created is None or claimed is None:
        return 0.0
    due = created if run_at is None or run_at < created else run_at
    return max(0.0, (claimed - due).total_seconds())
