"""Which robots a notification wakes: about as many as it announces jobs, chosen by a digest that all of them compute alike."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from uuid import UUID

FEWEST_WOKEN = 6
"""Robots that a notification wakes at least: some of them have no slot free."""


def wakes(message: str, incarnation: UUID, fleet: int) -> bool:
    """Return whether a notification ``jobs:random`` wakes this one of `fleet` robots; one that cannot be read wakes all."""
    jobs, _, random = message.partition(":")
    if not jobs.isdigit() or not random:
        return True
    woken = max(FEWEST_WOKEN, 2 * int(jobs))
    return fleet <= woken or crc32(incarnation.bytes + random.encode()) < woken / fleet * 2**32
