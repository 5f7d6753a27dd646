"""Job ids are UUIDs of version 7: neighbours in time are neighbours in an index."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest

from casare_rpa.foundation import ids as module
from casare_rpa.foundation.ids import new_job_ids

RANDOM = 0x3FFF_FFFF_FFFF_FFFF


def ids(count: int) -> list[UUID]:
    return [UUID(bytes=job_id) for job_id in new_job_ids(count)]


def test_an_id_is_a_uuid_of_version_7() -> None:
    for job_id in ids(100):
        assert job_id.version == 7
        assert job_id.variant == RFC_4122


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has made no id yet."""
    monkeypatch.setattr(module, "_places", module._Places())


@pytest.mark.usefixtures("fresh")
def test_an_id_begins_with_the_milliseconds_since_1970() -> None:
    before = time.time_ns() // 1_000_000
    (job_id,) = ids(1)
    assert before <= job_id.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_of_one_process_go_up() -> None:
    made = [*ids(10_000), *ids(1), *ids(3), *(one for _ in range(5000) for one in ids(1))]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@pytest.mark.usefixtures("fresh")
def test_a_count_that_is_used_up_borrows_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    made = ids(10_000)
    assert made == sorted(made)
    assert {one.int >> 80 for one in made} <= {1_800_000_000_000 + n for n in range(4)}
    assert all(one.version == 7 and one.variant == RFC_4122 for one in made)


@pytest.mark.usefixtures("fresh")
def test_ids_go_up_while_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = ids(1)
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000_000_000)
    assert before < ids(1)[0] < ids(1)[0]


def test_each_thread_gets_ids_of_its_own_that_go_up() -> None:
    with ThreadPoolExecutor(4) as pool:
        lists = list(pool.map(lambda _: [one for _ in range(500) for one in ids(3)], range(4)))
    assert all(made == sorted(made) for made in lists)
    assert len({one for made in lists for one in made}) == 4 * 1500


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_was_forked_while_a_thread_made_ids_makes_its_own() -> None:
    program = """
import os
from casare_rpa.foundation import ids
with ids._places._lock:
    child = os.fork()
    if child == 0:
        ids.new_job_ids(1)
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "7"


def test_where_the_count_begins_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    begins = set()
    for _ in range(50):
        monkeypatch.setattr(module, "_places", module._Places())
        begins.add(ids(1)[0].int >> 64 & 0xFFF)
    assert len(begins) > 25
    assert max(begins) < 0x800


def test_ids_do_not_repeat() -> None:
    assert len(set(ids(10_000))) == 10_000


def test_every_random_bit_is_used() -> None:
    ones = zeros = 0
    for job_id in ids(500):
        ones |= job_id.int
        zeros |= ~job_id.int
    assert ones & RANDOM == RANDOM
    assert zeros & RANDOM == RANDOM


def test_the_random_bits_of_neighbours_are_not_alike() -> None:
    made = [job_id.int & RANDOM for job_id in ids(1000)]
    assert len(set(made)) == 1000
    assert made != sorted(made)


def test_no_ids_are_no_ids() -> None:
    assert ids(0) == []
