"""Medians, ratios of pairs, and the reasons where there are none."""

from __future__ import annotations

import json

from benchmarks.report import Key, Report

OURS, THEIRS = Key("drain", "casare", "rate"), Key("drain", "peer", "rate")


def _filled(ours: list[float], theirs: list[float]) -> Report:
    report = Report()
    for key, values in ((OURS, ours), (THEIRS, theirs)):
        for turn, value in enumerate(values):
            report.add(*key, value, "jobs/s", turn)
    return report


def test_a_row_is_the_median_of_the_turns():
    report = _filled([3, 1, 2], [5])
    assert report.rows() == [
        {**OURS._asdict(), "value": 2, "unit": "jobs/s", "samples": [3, 1, 2]},
        {**THEIRS._asdict(), "value": 5, "unit": "jobs/s"},
    ]
    assert report.value(OURS) == 2
    assert report.value(Key("drain", "nobody", "rate")) is None


def test_a_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians():
    report = _filled([10, 20, 90], [10, 5, 30])
    report.set_ratio("drain_vs_peer", OURS, THEIRS)
    assert report.ratios == {"drain_vs_peer": 3}
    assert report.pairs == {"drain_vs_peer": [1, 4, 3]}


def test_a_turn_that_only_one_of_them_has_makes_no_pair():
    report = _filled([10, 20], [])
    report.add(*THEIRS, 5, "jobs/s", 1)
    report.set_ratio("drain_vs_peer", OURS, THEIRS)
    assert report.pairs["drain_vs_peer"] == [4]


def test_a_peer_without_figures_has_no_ratio_but_a_reason():
    report = _filled([10], [])
    report.set_ratio("not measured", OURS, THEIRS)
    report.refuse("saturation", "peer", "another scenario")
    report.refuse("drain", "peer", "2 errors")
    report.set_ratio("refused", OURS, THEIRS)
    report.missing["peer: drain"] = "it has no bulk"
    report.set_ratio("cannot", OURS, THEIRS)
    report.missing["peer"] = "no Node.js"
    report.set_ratio("missing", OURS, THEIRS)

    assert report.ratios == dict.fromkeys(("not measured", "refused", "cannot", "missing"))
    assert report.no_ratio == {
        "not measured": "peer was not measured in drain",
        "refused": "peer, refused: 2 errors",
        "cannot": "peer: it has no bulk",
        "missing": "peer: no Node.js",
    }


def test_pairs_of_different_turns_say_so():
    report = Report()
    report.add(*OURS, 1, "jobs/s", 0)
    report.add(*THEIRS, 1, "jobs/s", 1)
    report.set_ratio("drain_vs_peer", OURS, THEIRS)
    assert report.ratios == {"drain_vs_peer": None}
    assert report.no_ratio == {"drain_vs_peer": "no turn has figures of both"}


def test_the_file_has_the_agreed_parts(tmp_path):
    report = _filled([1], [2])
    report.missing["oban"] = "needs Python 3.12"
    report.set_ratio("drain_vs_peer", OURS, THEIRS)
    report.set_ratio("drain_vs_oban", OURS, Key("drain", "oban", "rate"))
    report.write(tmp_path / "new" / "quick.json")
    found = json.loads((tmp_path / "new" / "quick.json").read_text())
    assert list(found) == ["machine", "rows", "ratios", "pairs", "refused", "missing"]
    assert found["ratios"] == {"drain_vs_peer": 0.5, "drain_vs_oban": None}
    assert found["pairs"] == {"drain_vs_peer": [0.5]}
    assert found["missing"] == {"oban": "needs Python 3.12", "drain_vs_oban": "oban: needs Python 3.12"}
    assert found["rows"][0] == {"scenario": "drain", "system": "casare", "metric": "rate", "value": 1, "unit": "jobs/s"}


def test_a_rate_of_nothing_is_no_divisor():
    report = _filled([4, 4], [0, 2])
    report.set_ratio("drain_vs_peer", OURS, THEIRS)
    assert report.pairs["drain_vs_peer"] == [2]
