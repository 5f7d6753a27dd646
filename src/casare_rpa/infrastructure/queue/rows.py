"""Turns rows of the database into models, past the validation they do not need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.models import JobAttempt, JobModel, JobStatus

if TYPE_CHECKING:
    import asyncpg


def claimed_job(row: asyncpg.Record, robot_id: str) -> JobModel:
    """Return the model of a row that this robot has claimed, holding its lease token."""
    job = JobModel.model_construct(
        **_common(row),
        claimed_by=robot_id,
        status=JobStatus(row["status"]),
        error=row["error"],
        lease_expires_at=row["lease_expires_at"],
    )
    job._lease_token = row["lease_token"]  # noqa: SLF001 - the one place that hands a lease to a model
    return job


def found_job(row: asyncpg.Record) -> JobModel:
    """Return the model of a job that was looked up, wherever it lives."""
    return JobModel.model_construct(
        **_common(row),
        claimed_by=row["claimed_by"],
        status=JobStatus(row["status"]),
        error=row["error"],
        lease_expires_at=row["lease_expires_at"],
        finished_at=row["finished_at"],
        cancel_requested_at=row["cancel_requested_at"],
        result=_parsed(row["result"], None),
        crashes=row["crashes"],
        dead_letter_reason=row["reason"],
    )


def ended_attempt(row: asyncpg.Record) -> JobAttempt:
    """Return the model of an ended attempt."""
    return JobAttempt.model_construct(**dict(row))


def _common(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "workflow": row["workflow"],
        "payload": json.loads(row["payload"]),
        "priority": row["priority"],
        "queue_name": row["queue_name"],
        "tenant_id": row["tenant_id"],
        "tags": row["tags"] or [],
        "metadata": _parsed(row["metadata"], {}),
        "reference": row["reference"],
        "run_at": row["run_at"],
        "max_retries": row["max_retries"],
        "retry_delay": row["retry_delay"],
        "visibility_timeout": row["visibility_timeout"],
        "time_limit": row["time_limit"],
        "on_crash": row["on_crash"],
        "requirements": _parsed(row["requirements"], {}),
        "attempt": row["attempt"],
        "created_at": row["created_at"],
        "claimed_at": row["claimed_at"],
        "started_at": row["started_at"],
    }


def _parsed(text: str | None, otherwise: Any) -> Any:
    return otherwise if text is None else json.loads(text)
