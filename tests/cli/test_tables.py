"""Tables in a terminal of 80 columns: fewer columns, whole names of queues, errors cut at their end."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from casare_rpa.cli.dlq_views import show_dead_letters
from casare_rpa.cli.views import show_jobs
from casare_rpa.infrastructure.queue import JobModel

ERROR = "the invoice 4711 of the customer 12 cannot be posted: the period is closed"
NOW = datetime(2030, 1, 31, 8, tzinfo=UTC)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Print a job as on a terminal of 80 columns without colours, or into a pipe, and return the lines."""

    def lines(show, *, terminal: bool) -> list[str]:
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
        show([job()])
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return lines


def job() -> JobModel:
    found = JobModel(workflow="invoices", queue_name="casare_rpa_jobs")
    more = {"id": uuid4(), "created_at": NOW, "finished_at": NOW, "error": ERROR, "dead_letter_reason": "exhausted"}
    return found.model_copy(update=more)


def test_jobs(printed) -> None:
    (title, row) = printed(show_jobs, terminal=True)
    assert title.split() == ["ID", "STATUS", "WORKFLOW", "QUEUE"]
    assert row.endswith("casare_rpa_jobs")
    assert len(row) <= 80


def test_dead_letters(printed) -> None:
    (title, row) = printed(show_dead_letters, terminal=True)
    assert title.split() == ["ID", "REASON", "WORKFLOW", "ERROR"]
    assert row.split("invoices  ")[1].startswith("the invoice")
    assert row.endswith("…")
    assert len(row) <= 80


def test_a_pipe_gets_all(printed) -> None:
    (title, row) = printed(show_dead_letters, terminal=False)
    assert title.split() == ["ID", "REASON", "WORKFLOW", "QUEUE", "ATTEMPT", "SINCE", "ASSIGNED", "ERROR"]
    assert row.endswith(ERROR)
