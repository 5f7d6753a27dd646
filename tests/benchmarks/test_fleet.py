"""What is made of the answers of a fleet's processes."""

from __future__ import annotations

import pytest

from benchmarks.order import Answer
from benchmarks.robots import merged
from benchmarks.scenarios.fleet import quantile


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
