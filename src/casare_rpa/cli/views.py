"""How jobs, their attempts and dead letters look to people. Times are UTC."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from casare_rpa.cli.output import print_block, print_heading
from casare_rpa.cli.tables import Column, print_fields, print_table
from casare_rpa.cli.text import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from casare_rpa.infrastructure.queue import JobAttempt, JobModel

_LONGEST_ERROR = 100


def show_jobs(jobs: Iterable[JobModel]) -> None:
    """Print jobs, one a line."""
    print_table(
        [
            Column("ID"),
            Column("STATUS"),
            Column("WORKFLOW", breaks=True),
            Column("QUEUE", breaks=True),
            Column("PRIORITY", "right"),
            Column("ATTEMPT", "right"),
            Column("CREATED", breaks=True),
        ],
        (
            (
                job.id,
                job.status.value,
                job.workflow,
                job.queue_name,
                int(job.priority),
                _tries(job),
                _at(job.created_at),
            )
            for job in jobs
        ),
    )


def show_dead_letters(jobs: Iterable[JobModel]) -> None:
    """Print dead letters, one a line, with the beginning of their errors."""
    print_table(
        [
            Column("ID"),
            Column("REASON"),
            Column("WORKFLOW", breaks=True),
            Column("QUEUE", breaks=True),
            Column("ATTEMPT", "right"),
            Column("SINCE", breaks=True),
            Column("ERROR", breaks=True),
        ],
        (
            (
                job.id,
                job.dead_letter_reason,
                job.workflow,
                job.queue_name,
                _tries(job),
                _at(job.finished_at),
                _short(job.error),
            )
            for job in jobs
        ),
    )


def show_job(job: JobModel, attempts: Sequence[JobAttempt]) -> None:
    """Print all that is known of a job; what is not set is left out."""
    print_fields((name, value) for name, value in _fields(job) if value is not None)
    print_block("payload", _pretty(job.payload))
    if job.result is not None:
        print_block("result", _pretty(job.result))
    if job.error is not None:
        print_block("error", job.error.rstrip("\n"))
    if attempts:
        print_heading("ended attempts")
        _show_attempts(attempts)


def _fields(job: JobModel) -> list[tuple[str, Any]]:
    return [
        ("id", job.id),
        ("workflow", job.workflow),
        ("status", job.status.value),
        ("dead letter", job.dead_letter_reason),
        ("queue", job.queue_name),
        ("tenant", job.tenant_id),
        ("reference", job.reference),
        ("priority", int(job.priority)),
        ("tags", ", ".join(job.tags) or None),
        ("metadata", _pretty(job.metadata, indent=None) if job.metadata else None),
        ("requires", _pretty(job.requirements, indent=None) if job.requirements else None),
        ("attempt", _tries(job)),
        ("crashes", job.crashes or None),
        ("on crash", job.on_crash),
        ("time limit", _seconds(job.time_limit)),
        ("retry delay", _seconds(job.retry_delay)),
        ("visibility", _seconds(job.visibility_timeout)),
        ("robot", job.claimed_by),
        ("created", _at(job.created_at)),
        ("run at", _at(job.run_at)),
        ("claimed", _at(job.claimed_at)),
        ("started", _at(job.started_at)),
        ("lease until", _at(job.lease_expires_at)),
        ("cancel asked", _at(job.cancel_requested_at)),
        ("finished", _at(job.finished_at)),
    ]


def _show_attempts(attempts: Iterable[JobAttempt]) -> None:
    print_table(
        [
            Column("ATTEMPT", "right"),
            Column("OUTCOME"),
            Column("ROBOT", breaks=True),
            Column("CLAIMED", breaks=True),
            Column("ENDED", breaks=True),
            Column("ERROR", breaks=True),
        ],
        ((a.attempt, a.outcome, a.robot, _at(a.claimed_at), _at(a.ended_at), _short(a.error)) for a in attempts),
    )


def _tries(job: JobModel) -> str:
    return f"{job.attempt}/{job.max_retries}"


def _short(error: str | None) -> str | None:
    return None if error is None else shortened(error, _LONGEST_ERROR)


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:g} s"


def _pretty(value: Any, indent: int | None = 2) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)
