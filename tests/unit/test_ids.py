"""Job ids are UUIDs of version 7: neighbours in time are neighbours in an index."""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from casare_rpa.foundation.ids import new_job_ids


def ids(count: int) -> list[UUID]:
    return [UUID(bytes=job_id) for job_id in new_job_ids(count)]


def test_an_id_is_a_uuid_of_version_7() -> None:
    for job_id in ids(100):
        assert job_id.version == 7
        assert job_id.variant == RFC_4122


def test_an_id_begins_with_the_milliseconds_since_1970() -> None:
    before = time.time_ns() // 1_000_000
    (job_id,) = ids(1)
    assert before <= job_id.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_do_not_repeat() -> None:
    assert len(set(ids(10_000))) == 10_000


def test_every_random_bit_is_used() -> None:
    ones = zeros = 0
    for job_id in ids(500):
        ones |= job_id.int
        zeros |= ~job_id.int
    random = (0xFFF << 64) | 0x3FFF_FFFF_FFFF_FFFF
    assert ones & random == random
    assert zeros & random == random


def test_no_ids_are_no_ids() -> None:
    assert ids(0) == []
