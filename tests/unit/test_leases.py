"""What a robot holds, as its heartbeats say it."""

from __future__ import annotations

from uuid import uuid4

from casare_rpa.infrastructure.queue.consuming.leases import Leases


def test_heartbeats_come_every_15_seconds_at_most() -> None:
    leases = Leases()
    assert leases.heartbeat_interval() == 15
    leases.end_request(leases.begin_request(), [(uuid4(), uuid4(), 3600.0)])
    assert leases.heartbeat_interval() == 15


def test_heartbeats_come_every_half_of_the_shortest_timeout_held() -> None:
    leases = Leases()
    short, token = uuid4(), uuid4()
    leases.end_request(leases.begin_request(), [(uuid4(), uuid4(), 20.0), (short, token, 4.0)])
    assert leases.heartbeat_interval() == 2
    leases.drop(short, token)
    assert leases.heartbeat_interval() == 10


def test_a_request_is_in_flight_until_it_is_answered_or_given_up() -> None:
    leases = Leases()
    answered, given_up, waiting = (leases.begin_request() for _ in range(3))
    leases.end_request(answered, [])
    leases.abandon_request(given_up)
    holding = leases.holding()
    assert holding.in_flight == [waiting]
    assert holding.ceiling == waiting


def test_request_numbers_rise() -> None:
    leases = Leases()
    numbers = [leases.begin_request() for _ in range(5)]
    assert numbers == sorted(set(numbers))


def test_dropping_with_an_old_token_keeps_the_newer_lease_of_the_same_job() -> None:
    leases = Leases()
    job, old, new = uuid4(), uuid4(), uuid4()
    leases.end_request(leases.begin_request(), [(job, old, 30.0)])
    leases.end_request(leases.begin_request(), [(job, new, 30.0)])
    leases.drop(job, old)
    assert leases.holding().tokens == {job: new}
    leases.drop(job, new)
    assert len(leases) == 0


def test_what_a_heartbeat_says_is_a_copy() -> None:
    leases = Leases()
    holding = leases.holding()
    leases.end_request(leases.begin_request(), [(uuid4(), uuid4(), 30.0)])
    assert holding.tokens == {}
