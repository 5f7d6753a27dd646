"""What a robot holds, as its heartbeats say it."""

from __future__ import annotations

from uuid import UUID, uuid4

from casare_rpa.infrastructure.queue.consuming.leases import Leases


def answered(leases: Leases, *held: tuple[UUID, UUID, float]) -> list[UUID]:
    """Let a request be answered with these: job, token and seconds of each; return the tokens that are lost by it."""
    return leases.end_request(
        leases.begin_request(),
        {job: token for job, token, _ in held},
        {job: seconds for job, _, seconds in held},
    )


def test_heartbeats_come_every_15_seconds_at_most() -> None:
    leases = Leases()
    assert leases.heartbeat_interval() == 15
    assert answered(leases, (uuid4(), uuid4(), 3600.0)) == []
    assert leases.heartbeat_interval() == 15


def test_heartbeats_come_every_half_of_the_shortest_timeout_held() -> None:
    leases = Leases()
    short, token = uuid4(), uuid4()
    answered(leases, (uuid4(), uuid4(), 20.0), (short, token, 4.0))
    assert leases.heartbeat_interval() == 2
    leases.drop(short, token)
    assert leases.heartbeat_interval() == 10


def test_a_request_is_in_flight_until_it_is_answered_or_given_up() -> None:
    leases = Leases()
    done, given_up, waiting = (leases.begin_request() for _ in range(3))
    leases.end_request(done, {}, {})
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
    assert answered(leases, (job, old, 30.0)) == []
    assert answered(leases, (job, new, 30.0), (uuid4(), uuid4(), 30.0)) == [old]
    leases.drop(job, old)
    assert leases.holds(job, new)
    assert not leases.holds(job, old)
    leases.drop(job, new)
    assert len(leases) == 1


def test_leases_are_dropped_together_and_each_by_its_own_token() -> None:
    leases = Leases()
    held = [(uuid4(), uuid4(), float(10 + n)) for n in range(4)]
    answered(leases, *held)
    (first, token, _), (kept, _, _), (third, other, _), _ = held
    leases.drop_all([(first, token), (kept, uuid4()), (uuid4(), uuid4()), (third, other), (third, other)])
    assert set(leases.holding().tokens) == {kept, held[3][0]}
    assert leases.heartbeat_interval() == 5.5


def test_what_a_heartbeat_says_is_a_copy() -> None:
    leases = Leases()
    holding = leases.holding()
    answered(leases, (uuid4(), uuid4(), 30.0))
    assert holding.tokens == {}
