"""A figure counts only when every job that was sent ended once, the database says so, and nothing went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from benchmarks.client import ClientCannot, ClientFailed
from benchmarks.measure import Refused, check
from benchmarks.order import Answer
from benchmarks.plan import QUICK
from benchmarks.report import Report
from benchmarks.run import Run
from benchmarks.systems import SYSTEMS, _missing_node

if TYPE_CHECKING:
    from benchmarks.server import Server

GOOD = Answer(sent=10, ended=10, errors=0)


@pytest.mark.parametrize(("terminal", "left"), [(10, None), (None, 0), (10, 0)])
def test_counts_that_agree(terminal, left):
    check(GOOD, 10, terminal, left)


@pytest.mark.parametrize(
    ("answer", "sent", "terminal", "left", "why"),
    [
        (Answer(sent=10, ended=10, errors=2), 10, 10, None, "2 errors"),
        (Answer(sent=10, ended=10), 10, 10, None, "None errors"),
        (Answer(sent=10, ended=9, errors=0), 10, 10, None, "10 jobs were sent and 9 ended"),
        (Answer(sent=10, ended=11, errors=0), 10, 10, None, "10 jobs were sent and 11 ended"),
        (GOOD, 10, 9, None, "the database has 9 that ended"),
        (GOOD, 10, 11, None, "the database has 11 that ended"),
        (GOOD, 10, None, 1, "the database still has 1 jobs"),
        (GOOD, 10, None, None, "nothing in the database says what ended"),
        (Answer(sent=0, ended=0, errors=0), 0, 0, None, "nothing was sent"),
        (GOOD, None, 10, None, "nothing was sent"),
    ],
)
def test_counts_that_do_not(answer, sent, terminal, left, why):
    with pytest.raises(Refused, match=why):
        check(answer, sent, terminal, left)


@pytest.fixture
def run() -> Run:
    no_server = cast("Server", None)  # none of these asks it for anything
    return Run(no_server, QUICK, Report(), ("casare", "pg-boss"))


def _fail(error):
    raise error


@pytest.mark.parametrize("error", [Refused("2 errors"), ClientFailed("2 errors\n  the end of its stderr")])
def test_a_failure_is_noted_without_stopping_the_run(run, error):
    with run.attempt("drain", SYSTEMS["pg-boss"]):
        _fail(error)
    assert run.report.refused == [{"scenario": "drain", "system": "pg-boss", "why": "2 errors"}]


def test_what_a_system_cannot_do_is_no_failure(run):
    with run.attempt("drain", SYSTEMS["pg-boss"]):
        _fail(ClientCannot("it has no such call"))
    assert run.report.refused == []
    assert run.report.missing == {"pg-boss: drain": "it has no such call"}


def test_our_own_mistakes_stop_the_run(run):
    with pytest.raises(ZeroDivisionError), run.attempt("drain", SYSTEMS["casare"]):
        _fail(ZeroDivisionError())


def test_only_what_was_asked_for_is_measured(run):
    assert run.systems(["casare", "floor"]) == [SYSTEMS["casare"]]


def test_a_system_that_is_not_there_is_named_with_the_reason(run, monkeypatch):
    _missing_node.cache_clear()
    monkeypatch.setattr("benchmarks.systems.shutil.which", lambda _: None)
    assert run.systems(["pg-boss"]) == []
    assert run.report.missing == {"pg-boss": "Node.js is not installed"}
    _missing_node.cache_clear()
