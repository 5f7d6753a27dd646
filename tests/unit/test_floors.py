"""Floors spare a robot the dead entries at the head of an index, and never hide a job."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from casare_rpa.infrastructure.queue.consuming.floors import Floors

ROUTE = 1


def learn(floors: Floors, *places: int, request: int, oldest: int, full: bool, route: int = ROUTE) -> None:
    """Let it learn from a claim that brought jobs of these places of one route."""
    floors.learn({route: max(places)}, request, oldest, full=full)


def floor(floors: Floors, route: int = ROUTE) -> int:
    return dict(zip(floors.routes, floors.places, strict=True)).get(route, 0)


def test_one_claim_raises_no_floor() -> None:
    floors = Floors()
    learn(floors, 1, 2, 3, request=100, oldest=100, full=True)
    assert floor(floors) == 0


def test_a_place_becomes_the_floor_when_it_was_seen_dated_and_passed() -> None:
    floors = Floors()
    learn(floors, 1, 2, 3, request=100, oldest=100, full=True)
    learn(floors, 4, 5, request=101, oldest=101, full=True)
    assert floor(floors) == 0
    learn(floors, 6, request=102, oldest=102, full=True)
    assert floor(floors) == 3


def test_a_transaction_that_still_runs_keeps_the_floor_where_it_is() -> None:
    floors = Floors()
    learn(floors, 1, 2, 3, request=100, oldest=50, full=True)
    for request in range(101, 110):
        learn(floors, request, request=request, oldest=50, full=True)
    assert floor(floors) == 0


def test_a_claim_that_was_full_before_it_came_to_a_route_says_nothing_of_it() -> None:
    floors = Floors()
    learn(floors, 1, 2, request=100, oldest=100, full=True)
    learn(floors, 3, request=101, oldest=101, full=True)
    learn(floors, 9, request=102, oldest=102, route=2, full=True)
    assert floor(floors) == 0


def test_a_claim_that_came_back_short_has_passed_over_every_route() -> None:
    floors = Floors()
    learn(floors, 1, 2, request=100, oldest=100, full=True)
    learn(floors, 3, request=101, oldest=101, full=True)
    learn(floors, 9, request=102, oldest=102, route=2, full=False)
    assert floor(floors) == 2


def test_an_empty_claim_teaches_nothing() -> None:
    floors = Floors()
    learn(floors, 1, 2, request=100, oldest=100, full=True)
    learn(floors, 3, request=101, oldest=101, full=True)
    floors.learn({}, None, 102, full=False)
    assert floors.places == [0]
    learn(floors, 4, request=103, oldest=103, full=True)
    assert floors.places == [2]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["begin", "draw", "commit", "claim"]), st.integers(0, 9)), max_size=120))
def test_no_job_ever_appears_below_a_floor(steps: list[tuple[str, int]]) -> None:
    """Transactions get a number, draw places and commit, in any order, while a robot claims."""
    floors = Floors()
    next_xid, next_place = 1, 1
    running: dict[int, list[int]] = {}
    waiting: set[int] = set()
    for step, choice in steps:
        chosen = sorted(running)[choice % len(running)] if running else None
        if step == "begin":
            running[next_xid] = []
            next_xid += 1
        elif step == "draw" and chosen is not None:
            running[chosen].append(next_place)
            next_place += 1
        elif step == "commit" and chosen is not None:
            committed = running.pop(chosen)
            assert all(place > floor(floors) for place in committed)
            waiting.update(committed)
        elif step == "claim":
            limit = 1 + choice
            oldest = min(running, default=next_xid)
            found = sorted(place for place in waiting if place > floor(floors))[:limit]
            if found:
                waiting.difference_update(found)
                learn(floors, *found, request=next_xid, oldest=oldest, full=len(found) == limit)
                next_xid += 1
            assert all(place > floor(floors) for place in waiting)
