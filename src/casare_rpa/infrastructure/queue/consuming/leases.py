"""What a robot holds: shared between the thread that claims and settles and the thread that sends heartbeats."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

LONGEST_HEARTBEAT = 15.0
"""Seconds between heartbeats, at most."""


@dataclass(frozen=True)
class Holding:
    """What a heartbeat says: the tokens held, the highest request number given out, and the requests without an answer yet."""

    tokens: dict[UUID, UUID]
    ceiling: int
    in_flight: list[int]


class Leases:
    """The leases of one robot and the numbers of its claim requests. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[UUID, UUID] = {}
        self._seconds: dict[UUID, float] = {}
        self._in_flight: set[int] = set()
        self._last_request = 0
        self.abandoned = False
        """Whether the answer of any request was given up, so that the database may hold what is not known here."""

    def __len__(self) -> int:
        return len(self._tokens)

    def begin_request(self) -> int:
        """Return the number of a new claim request."""
        with self._lock:
            self._last_request += 1
            self._in_flight.add(self._last_request)
            return self._last_request

    def end_request(self, request: int, tokens: Mapping[UUID, UUID], seconds: Mapping[UUID, float]) -> list[UUID]:
        """A request was answered with these leases: for each job its token and how long it lasts.

        Returns:
            tokens that were held for the same jobs until now: their leases are lost.

        """
        with self._lock:
            lost = [self._tokens[job_id] for job_id in self._tokens.keys() & tokens.keys()]
            self._tokens.update(tokens)
            self._seconds.update(seconds)
            self._in_flight.discard(request)
            return lost

    def abandon_request(self, request: int) -> None:
        """A request's answer is no longer waited for: what the database gave out for it goes back with the next heartbeat."""
        with self._lock:
            self._in_flight.discard(request)
            self.abandoned = True

    def drop(self, job_id: UUID, token: UUID | None) -> None:
        """This lease has ended."""
        self.drop_all([(job_id, token)])

    def drop_all(self, leases: Iterable[tuple[UUID, UUID | None]]) -> None:
        """These leases, (job id, token), have ended."""
        with self._lock:
            tokens, seconds = self._tokens, self._seconds
            for job_id, token in leases:
                if tokens.get(job_id) == token:
                    del tokens[job_id], seconds[job_id]

    def holds(self, job_id: UUID, token: UUID | None) -> bool:
        """Whether this lease is held, as far as is known here."""
        return token is not None and self._tokens.get(job_id) == token

    def holding(self) -> Holding:
        """Return what the next heartbeat says, as of one moment."""
        with self._lock:
            return Holding(dict(self._tokens), self._last_request, sorted(self._in_flight))

    def heartbeat_interval(self) -> float:
        """Seconds between heartbeats: half the shortest timeout held, at most 15."""
        with self._lock:
            return min(LONGEST_HEARTBEAT, min(self._seconds.values(), default=30.0) / 2)
