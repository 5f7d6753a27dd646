"""Identifiers of jobs and of calls: UUID version 7 (RFC 9562 §5.7), so that neighbours in time are neighbours in an index."""

from __future__ import annotations

import os
import time
from uuid import UUID

BYTES = 16


def new_request() -> UUID:
    """Return a new id for a call, or for a page of one, that may have to be sent again."""
    [request] = new_job_ids(1)
    return UUID(bytes=request)


def new_job_ids(count: int) -> list[bytes]:
    """Return new UUIDv7s as 16 bytes each. Their clock orders nothing: the order of jobs comes from the database."""
    moment = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    random = bytearray(os.urandom(BYTES * count))
    for start in range(0, BYTES * count, BYTES):
        random[start : start + 6] = moment
        random[start + 6] = random[start + 6] & 0x0F | 0x70
        random[start + 8] = random[start + 8] & 0x3F | 0x80
    return [bytes(random[start : start + BYTES]) for start in range(0, BYTES * count, BYTES)]
