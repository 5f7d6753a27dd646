"""How long a run is said to take."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import SCENARIOS
from benchmarks.estimate import estimate
from benchmarks.plan import FULL, QUICK
from benchmarks.systems import SYSTEMS


def test_every_scenario_takes_some_time_and_all_together_their_sum():
    each = [estimate(FULL, [name], SYSTEMS) for name in SCENARIOS]
    assert min(each) > 0
    assert estimate(FULL, SCENARIOS, SYSTEMS) == pytest.approx(sum(each))


def test_both_runs_stay_within_what_is_promised():
    assert estimate(QUICK, SCENARIOS, SYSTEMS) <= 6 * 60
    assert estimate(FULL, SCENARIOS, SYSTEMS) <= 30 * 60


def test_fewer_systems_take_less_and_none_nothing():
    assert 0 < estimate(FULL, SCENARIOS, ["casare"]) < estimate(FULL, SCENARIOS, ["casare", "floor"])
    assert estimate(FULL, SCENARIOS, []) == 0


def test_one_fleet_alone_has_no_common_rate():
    alone, both = (estimate(FULL, ["fleet"], names) for names in (["pgqueuer"], ["pgqueuer", "oban"]))
    assert both - 2 * alone > FULL.fleet_common_seconds
