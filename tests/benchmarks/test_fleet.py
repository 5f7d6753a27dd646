"""What is made of the answers of a fleet's processes, and which latencies count."""

from __future__ import annotations

import pytest

from benchmarks.load import Offer
from benchmarks.measure import Refused
from benchmarks.order import Answer
from benchmarks.robots import merged
from benchmarks.scenarios.fleet import common_rate, latencies_of, quantile


def test_several_answers_are_one_with_all_their_jobs():
    first = Answer(ended=2, errors=0, claim_ms=[(10.0, 1.0), (11.0, 2.0)], done_ms=[(10.0, 3.0), (11.0, 4.0)])
    second = Answer(ended=1, errors=1, claim_ms=[(10.5, 9.0)], done_ms=[(10.5, 9.5)], note="slow")
    assert merged([first, second]) == Answer(
        ended=3,
        errors=1,
        claim_ms=[(10.0, 1.0), (11.0, 2.0), (10.5, 9.0)],
        done_ms=[(10.0, 3.0), (11.0, 4.0), (10.5, 9.5)],
        note="slow",
    )


def test_what_one_process_cannot_tell_is_not_told_for_the_others():
    answers = [Answer(ended=1, errors=0, claim_ms=[(1.0, 1.0)], done_ms=times) for times in ([(1.0, 2.0)], None)]
    assert merged(answers).done_ms is None


@pytest.mark.parametrize(
    ("values", "per_cent", "expected"),
    [
        ([7.0], 99, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 95, 95.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
    ],
)
def test_a_quantile_is_a_value_that_was_measured(values, per_cent, expected):
    assert quantile(values, per_cent) == expected


def _offer(sent: int) -> Offer:
    return Offer(rate=100, sent=sent, late=100 - sent, seconds=1, since=50.0, until=52.0)


def _pairs(jobs: int) -> list[tuple[float, float]]:
    return [(50.0 + job / 100, float(job)) for job in range(1, jobs + 1)]


def test_latencies_are_those_of_the_jobs_of_the_offer():
    earlier_and_later = [(49.9, 1e6), (52.1, 1e6)]
    answer = Answer(claim_ms=_pairs(97) + earlier_and_later, done_ms=None)
    assert latencies_of(_offer(97), answer) == [("claim p50", 49.0), ("claim p95", 93.0), ("claim p99", 97.0)]


def test_latencies_until_done_where_they_are_known():
    found = latencies_of(
        _offer(100), Answer(claim_ms=_pairs(100), done_ms=[(sent, 2 * ms) for sent, ms in _pairs(100)])
    )
    assert dict(found)["done p95"] == 190.0


def test_latencies_of_less_load_than_was_offered_do_not_count():
    with pytest.raises(Refused, match=r"^96 of 100 jobs/s were reached \(96%\), less than 97%"):
        latencies_of(_offer(96), Answer(claim_ms=_pairs(96)))


@pytest.mark.parametrize(("claims", "found"), [(None, "no"), (_pairs(99), "99"), (_pairs(100) + _pairs(1), "101")])
def test_every_job_of_the_offer_is_timed_once(claims, found):
    with pytest.raises(Refused, match=f"100 jobs were submitted and {found} claims were timed"):
        latencies_of(_offer(100), Answer(claim_ms=claims))


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"casare": 400.0, "slow": 300.0, "fast": 900.0}, 100.0),
        ({"casare": 4000.0, "slow": 300.0, "fast": 900.0}, 150.0),
        ({"slow": 300.0, "fast": 900.0}, 150.0),
    ],
)
def test_the_common_rate_is_one_that_all_sustain(rates, expected):
    assert common_rate(rates) == expected
