"""A notification wakes about as many robots as it announces jobs, and never none."""

from __future__ import annotations

from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue.consuming.wakeups import FEWEST_WOKEN, wakes


def woken(jobs: int, fleet: int, message_number: int = 0) -> int:
    return sum(wakes(f"{jobs}:{message_number:08x}", uuid4(), fleet) for _ in range(fleet))


@pytest.mark.parametrize("fleet", range(1, FEWEST_WOKEN + 1))
def test_a_small_fleet_wakes_as_a_whole(fleet: int) -> None:
    assert woken(1, fleet) == fleet


def test_a_single_job_wakes_a_few_robots_of_a_large_fleet() -> None:
    counts = [woken(1, 500, number) for number in range(20)]
    assert 2 <= sum(counts) / 20 <= 12


def test_as_many_jobs_as_robots_wake_all_of_them() -> None:
    assert woken(250, 500) == 500


def test_another_message_wakes_other_robots() -> None:
    fleet = [uuid4() for _ in range(500)]
    first, second = (
        {robot for robot in fleet if wakes(f"1:{message}", robot, 500)} for message in ("aaaaaaaa", "bbbbbbbb")
    )
    assert first != second


def test_every_robot_is_woken_sooner_or_later() -> None:
    robot = uuid4()
    assert any(wakes(f"1:{number:08x}", robot, 500) for number in range(2000))


@pytest.mark.parametrize("message", ["", "cancel", "x:y", "3", "3:", ":", "-1:aaaaaaaa"])
def test_a_message_that_cannot_be_read_wakes_all(message: str) -> None:
    assert all(wakes(message, uuid4(), 500) for _ in range(100))
