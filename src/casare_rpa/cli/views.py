"""How jobs, their attempts, events and what was done to them look to people. Times are UTC."""

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

    from casare_rpa.infrastructure.queue import JobAction, JobAttempt, JobEvent, JobModel

_LONGEST_ERROR = 100
_REASONS = {
    "exhausted": "every attempt failed",
    "business": "its data is wrong",
    "crashed": "a robot died while it ran",
    "in doubt": "a robot died while it ran, and nobody knows how far it came: look before you redrive it",
    "quarantined": "robots died of it again and again",
}


def show_jobs(jobs: Iterable[JobModel], *, titles: bool = True) -> None:
    """Print jobs, one a line."""
    print_table(
        [
            Column("ID"),
            Column("STATUS"),
            Column("WORKFLOW", breaks=True),
            Column("QUEUE", breaks=True, keeps=16, goes=1),
            Column("PRIORITY", "right", goes=3),
            Column("ATTEMPT", "right", goes=2),
            Column("CREATED", breaks=True, goes=4),
        ],
        (
            (
                job.id,
                job.status.value,
                job.workflow,
                job.queue_name,
                int(job.priority),
                tries(job),
                at(job.created_at),
            )
            for job in jobs
        ),
        titles=titles,
    )


def show_job(job: JobModel, attempts: Sequence[JobAttempt], actions: Sequence[JobAction]) -> None:
    """Print all that is known of a job; what is not set is left out."""
    print_fields((name, value) for name, value in _fields(job) if value is not None)
    print_block("payload", pretty(job.payload))
    if job.result is not None:
        print_block("result", pretty(job.result))
    if job.error is not None:
        print_block("error", job.error.rstrip("\n"))
    if attempts:
        print_heading("ended attempts")
        _show_attempts(attempts)
    if actions:
        print_heading("what was done to it")
        _show_actions(actions)


def event_words(event: JobEvent) -> str:
    """Return an event as one line."""
    attempt = f"  attempt {event.attempt}" if event.attempt else ""
    robot = f"  {event.robot}" if event.robot else ""
    return f"{at(event.at)}  {event.event:<16}  {event.status or '-':<9}{attempt}{robot}".rstrip()


def _fields(job: JobModel) -> list[tuple[str, Any]]:
    return [
        ("id", job.id),
        ("workflow", job.workflow),
        ("status", job.status.value),
        ("dead letter", _reason(job.dead_letter_reason)),
        ("assigned to", job.assigned_to),
        ("queue", job.queue_name),
        ("tenant", job.tenant_id),
        ("reference", job.reference),
        ("priority", int(job.priority)),
        ("tags", ", ".join(job.tags) or None),
        ("metadata", pretty(job.metadata, indent=None) if job.metadata else None),
        ("requires", pretty(job.requirements, indent=None) if job.requirements else None),
        ("attempt", tries(job)),
        ("crashes", job.crashes or None),
        ("on crash", job.on_crash),
        ("time limit", _seconds(job.time_limit)),
        ("retry delay", _seconds(job.retry_delay)),
        ("visibility", _seconds(job.visibility_timeout)),
        ("robot", job.claimed_by),
        ("created", at(job.created_at)),
        ("run at", at(job.run_at)),
        ("claimed", at(job.claimed_at)),
        ("started", at(job.started_at)),
        ("lease until", at(job.lease_expires_at)),
        ("cancel asked", at(job.cancel_requested_at)),
        ("finished", at(job.finished_at)),
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
        ((a.attempt, a.outcome, a.robot, at(a.claimed_at), at(a.ended_at), short(a.error)) for a in attempts),
    )


def _show_actions(actions: Iterable[JobAction]) -> None:
    print_table(
        [
            Column("AT", breaks=True),
            Column("WHO", breaks=True),
            Column("WHAT"),
            Column("COMMENT", breaks=True),
            Column("DETAIL", breaks=True),
        ],
        ((at(a.at), a.actor, a.action, a.comment, _detail(a.detail)) for a in actions),
    )


def _detail(detail: dict[str, Any] | None) -> str | None:
    return None if not detail else shortened(pretty(detail, indent=None), _LONGEST_ERROR)


def _reason(reason: str | None) -> str | None:
    return f"{reason}: {_REASONS[reason]}" if reason in _REASONS else reason


def tries(job: JobModel) -> str:
    return f"{job.attempt}/{job.max_retries}"


def short(error: str | None) -> str | None:
    return None if error is None else shortened(error, _LONGEST_ERROR)


def at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:g} s"


def pretty(value: Any, indent: int | None = 2) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)
