"""Keeps the labels of the metrics bounded: whoever enqueues invents names, and every name costs a time series for ever."""

from __future__ import annotations

MOST_NAMES = 100
"""Names that are told apart; what comes after them is `OTHER`."""
OTHER = "other"


class BoundedNames:
    """The first hundred names that came."""

    def __init__(self) -> None:
        self._queues: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()

    def queue(self, name: str) -> str:
        """Return the queue's name, or ``other`` once there have been a hundred."""
        if name not in self._queues:
            if len(self._queues) >= MOST_NAMES:
                return OTHER
            self._queues.add(name)
        return name

    def pair(self, queue: str, workflow: str) -> tuple[str, str]:
        """Return the names of a queue and a workflow in it; once there have been a hundred pairs, the workflow is ``other``."""
        pair = (queue, workflow)
        if pair in self._pairs:
            return pair
        pair = (self.queue(queue), workflow)
        if pair not in self._pairs:
            if len(self._pairs) >= MOST_NAMES:
                return pair[0], OTHER
            self._pairs.add(pair)
        return pair
