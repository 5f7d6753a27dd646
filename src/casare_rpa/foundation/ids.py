"""Identifiers of jobs: UUID version 7 (RFC 9562 §5.7), so that neighbours in time are neighbours in an index."""

from __future__ import annotations

import os
import time
from uuid import UUID


def new_job_ids(count: int) -> list[UUID]:
    """Return new UUIDv7s. Their clock orders nothing: the order of jobs comes from the database."""
    time_part = time.time_ns() // 1_000_000 << 80 | _VERSION_AND_VARIANT
    random = os.urandom(10 * count)
    return [UUID(int=time_part | _spread(random[n : n + 10])) for n in range(0, 10 * count, 10)]


_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62


def _spread(random: bytes) -> int:
    """Return 74 random bits around the places of version and variant."""
    bits = int.from_bytes(random, "big")
    return (bits >> 62 & 0xFFF) << 64 | bits & 0x3FFF_FFFF_FFFF_FFFF
