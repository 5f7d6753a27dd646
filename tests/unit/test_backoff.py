"""Pauses between tries grow, never beyond the longest, and differ from robot to robot."""

from __future__ import annotations

from casare_rpa.foundation.backoff import Backoff


def pauses(backoff: Backoff, count: int) -> list[float]:
    return [backoff.next() for _ in range(count)]


def test_each_pause_is_double_the_last_one_give_or_take_half() -> None:
    for _ in range(200):
        found = pauses(Backoff(first=1.0, longest=1000.0), 5)
        for expected, pause in zip([1, 2, 4, 8, 16], found, strict=True):
            assert expected * 0.5 <= pause <= expected * 1.5


def test_no_pause_is_longer_than_the_longest_and_a_half() -> None:
    backoff = Backoff(first=1.0, longest=3.0)
    found = pauses(backoff, 500)
    assert max(found) <= 4.5
    assert min(found[2:]) >= 1.5


def test_reset_starts_again_from_the_first_pause() -> None:
    backoff = Backoff(first=0.1, longest=100.0)
    pauses(backoff, 8)
    backoff.reset()
    assert backoff.next() <= 0.15


def test_two_robots_do_not_march_in_step() -> None:
    assert pauses(Backoff(), 3) != pauses(Backoff(), 3)
