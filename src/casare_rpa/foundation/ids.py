"""Identifiers of jobs: UUID version 7 (RFC 9562 §5.7), so that neighbours in time are neighbours in an index."""

from __future__ import annotations

import os
import time
from uuid import UUID


def new_job_id() -> UUID:
    """Return a new UUIDv7. Its clock orders nothing: the order of jobs comes from the database."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high, low = random >> 62 & 0xFFF, random & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
