"""Counters and histograms as plain numbers: cheap to raise once for every job, and read only when somebody asks.

prometheus-client's own take a lock for every number that a job raises; for two histograms and two counters that is 3 µs a job, a
tenth of what a robot does beside its handlers.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper bounds of the histograms, in seconds: from a row that is looked up to a suite that runs through the night."""

Labels = tuple[str, ...]


class Counter:
    """Numbers that only grow, by their labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self.values: dict[Labels, float] = {}

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Raise the number with these labels."""
        self.values[labels] = self.values.get(labels, 0) + amount


class Distribution(NamedTuple):
    """How many observations lie in each bucket, and their sum."""

    buckets: list[int]
    total: list[float]  # one number, in a list so that it can be raised


class Histogram:
    """Distributions of seconds, by their labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self.values: dict[Labels, Distribution] = {}

    def at(self, labels: Labels) -> Distribution:
        """Return the distribution with these labels."""
        found = self.values.get(labels)
        if found is None:
            found = self.values[labels] = Distribution([0] * (len(BUCKETS) + 1), [0.0])
        return found


def observe(distribution: Distribution, observations: Sequence[float]) -> None:
    """Add observations, in seconds."""
    buckets = distribution.buckets
    for seconds in observations:
        buckets[bisect_left(BUCKETS, seconds)] += 1
    distribution.total[0] += sum(observations)
