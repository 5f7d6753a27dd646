"""Growing pauses between tries, with jitter so that a fleet does not march in step."""

from __future__ import annotations

import random


class Backoff:
    """Seconds to wait before each next try: doubled every time, from `first` up to `longest`, give or take half."""

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause = self._next
        self._next = min(self._next * 2, self._longest)
        return pause * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Start again from the first pause: the last try worked."""
        self._next = self._first
