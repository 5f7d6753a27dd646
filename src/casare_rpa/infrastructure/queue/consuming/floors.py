"""From which place a robot scans each route, so that it does not walk over what is settled but not yet vacuumed.

A floor is raised in three steps. A claim *saw* rows up to some place. The next claim's transaction number is higher than that of
anybody who drew a lower place before: it *dates* the sighting. Once the oldest running transaction of a still later claim is no
older than that date, whatever lies at or below the seen place has committed or never will: if that claim has passed over it, it
becomes the floor. Until then the scan starts at the old one. See `settle_and_claim` in the schema for why each step is sound.

What could still lie below (a claimer that died between locking a row and committing) is found by a sweep from zero, which comes
round every few seconds, and less often the longer it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SWEEP_EVERY = 4.0
"""Seconds between sweeps, at least."""
SWEEP_SHARE = 0.02
"""The share of a robot's time that sweeps may take."""
LONGEST_PAUSE = 60.0
"""Seconds between sweeps, at most: one may have taken long because its link was silent."""


@dataclass
class _Route:
    floor: int = 0
    seen: int = 0
    candidate: int = 0
    dated: int | None = None


@dataclass
class Floors:
    """The floors of one robot on one queue."""

    _routes: dict[int, _Route] = field(default_factory=dict)

    @property
    def routes(self) -> list[int]:
        return list(self._routes)

    @property
    def places(self) -> list[int]:
        return [route.floor for route in self._routes.values()]

    def learn(self, highest: Mapping[int, int], request: int | None, oldest: int, *, full: bool) -> None:
        """Learn from a claim.

        Args:
            highest: for each route of which jobs were claimed, the highest of their places.
            request: the claim's transaction number; None when it got nothing, and there is nothing to learn.
            oldest: the oldest transaction that was running then.
            full: whether it got as many jobs as it had asked for.

        """
        if request is None or not highest:
            return
        self._confirm(highest, oldest, full=full)
        self._date(request)
        for route_id, place in highest.items():
            route = self._routes.setdefault(route_id, _Route())
            route.seen = max(route.seen, place)

    def _confirm(self, highest: Mapping[int, int], oldest: int, *, full: bool) -> None:
        for route_id, route in self._routes.items():
            if route.dated is None or oldest < route.dated:
                continue
            if full and route_id not in highest:
                continue  # the claim may not have come as far as this route
            passed = min(route.candidate, highest[route_id]) if full else route.candidate
            route.floor = max(route.floor, passed)
            route.dated = None

    def _date(self, request: int) -> None:
        for route in self._routes.values():
            if route.dated is None and route.seen > route.floor:
                route.candidate, route.dated = route.seen, request
