"""Floors that learn from a claim made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casare_rpa.infrastructure.queue.consuming.floors import Floors


def learn(floors: Floors, jobs: Sequence[Mapping[str, Any]], of: Mapping[str, Any] | None, *, full: bool) -> None:
    """Let floors learn from the rows of a claim; `of` is one that tells its transactions, None when there is none."""
    if of is None:
        return
    highest: dict[int, int] = {}
    for row in jobs:
        highest[row["route_id"]] = max(row["seq"], highest.get(row["route_id"], 0))
    floors.learn(highest, of["request_xid"], of["oldest_xid"], full=full)
