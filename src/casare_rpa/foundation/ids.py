"""Identifiers of jobs and of calls: UUID version 7 (RFC 9562 §5.7), so that neighbours in time are neighbours in an index.

Those of one process go up, one by one (§6.2, method 1): after 48 bits of milliseconds come 12 bits that count, from a random
number in their lower half on, and 62 random bits. A count that is used up borrows the next millisecond, and a clock that was set
back stands still until it has caught up.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from uuid import UUID

_COUNTER = 0xFFF
_SEED = 0x7FF
_VERSION = 0x7000
_VARIANT = 0x8000_0000_0000_0000
_RANDOM = 0x3FFF_FFFF_FFFF_FFFF
_pack = struct.Struct(">QQ").pack


class _Places:
    """Gives away numbers made of a millisecond and a count, in threads that ask at once, too."""

    def __init__(self) -> None:
        self._last = 0
        self.unlock()

    def unlock(self) -> None:
        self._lock = threading.Lock()

    def take(self, count: int, seed: int) -> int:
        """Return the first of so many numbers in a row."""
        with self._lock:
            first = max((time.time_ns() // 1_000_000) << 12 | seed, self._last + 1)
            self._last = first + count - 1
            return first


_places = _Places()
if hasattr(os, "register_at_fork"):  # another thread may have the lock while this one forks
    os.register_at_fork(after_in_child=_places.unlock)


def new_request() -> UUID:
    """Return a new id for a call, or for a page of one, that may have to be sent again."""
    [request] = new_job_ids(1)
    return UUID(bytes=request)


def new_job_ids(count: int) -> list[bytes]:
    """Return new UUIDv7s as 16 bytes each, every one above all that this process has made before.

    They are in no order with those of another process: the order of jobs comes from the database.
    """
    seed, *random = struct.unpack(f">H{count}Q", os.urandom(2 + 8 * count))
    first = _places.take(count, seed & _SEED)
    return [
        _pack((place & ~_COUNTER) << 4 | _VERSION | place & _COUNTER, bits & _RANDOM | _VARIANT)
        for place, bits in enumerate(random, first)
    ]
