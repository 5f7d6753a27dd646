"""What became of the jobs, and whether that is what was promised."""

from __future__ import annotations

import json
from dataclasses import dataclass

COUNTED = ("submitted", "completed", "retried", "dead_lettered", "redriven", "cancelled", "lost", "settled_twice")
"""What is reported."""
FEWEST_ROBOTS = 3
"""Robots that must have completed jobs."""


@dataclass(frozen=True)
class Report:
    """Counts of jobs, from the database, and the time from submission to the first claim in milliseconds.

    Attributes:
        submitted, completed, cancelled: as their names say.
        retried: an attempt of theirs ended without settling them, and the queue itself put them back.
        dead_lettered: they went to the dead letter queue, `redriven` of them came back from it, `still_dead` lie there.
        lost: they have no final record.
        settled_twice: they have more than one, or one of their attempts has.
        unfinished: they still wait or run.
        strangers: they are in the queue, but were never submitted.
        robots: how many robots completed jobs.
        p50, p95, p99: percentiles of that time; None when no job was claimed.

    """

    submitted: int
    completed: int
    retried: int
    dead_lettered: int
    redriven: int
    cancelled: int
    lost: int
    settled_twice: int
    unfinished: int
    still_dead: int
    strangers: int
    robots: int
    p50: float | None
    p95: float | None
    p99: float | None

    def to_json(self) -> str:
        """Return the report for `report.json`."""
        waits = {key: None if (ms := getattr(self, key)) is None else round(ms, 3) for key in ("p50", "p95", "p99")}
        counts = {key: getattr(self, key) for key in COUNTED}
        return json.dumps({**counts, "submit_to_claim_ms": waits}, indent=2) + "\n"


def broken_promises(report: Report, expected: int) -> list[str]:
    """Return in words what is off with `expected` jobs, of which one had to be cancelled and one to be redriven."""
    ended = report.completed + report.cancelled + report.still_dead
    promises = [
        (report.submitted == expected, f"jobs submitted: {report.submitted}, must be {expected}"),
        (report.lost == 0, f"jobs lost, without a final record: {report.lost}, must be 0"),
        (report.unfinished == 0, f"jobs that still wait or run: {report.unfinished}, must be 0"),
        (report.settled_twice == 0, f"jobs settled twice: {report.settled_twice}, must be 0"),
        (report.strangers == 0, f"jobs in the queue that were never submitted: {report.strangers}, must be 0"),
        (ended == report.submitted, f"jobs completed, cancelled or dead: {ended}, must be all {report.submitted}"),
        (report.cancelled == 1, f"jobs cancelled: {report.cancelled}, must be 1"),
        (report.dead_lettered == 1, f"jobs that went to the dead letters: {report.dead_lettered}, must be 1"),
        (report.redriven == 1, f"jobs redriven: {report.redriven}, must be 1"),
        (report.still_dead == 0, f"jobs left in the dead letters: {report.still_dead}, must be 0"),
        (report.retried >= 1, f"jobs retried: {report.retried}, must be 1 or more, for a robot was killed"),
        (
            report.robots >= FEWEST_ROBOTS,
            f"robots that completed jobs: {report.robots}, must be {FEWEST_ROBOTS} or more",
        ),
    ]
    return [text for kept, text in promises if not kept]
