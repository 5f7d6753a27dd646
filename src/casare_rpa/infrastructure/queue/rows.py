"""Turns rows of the database into models, past the validation they do not need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.models import (
    LEASE_TOKEN,
    DeadLetterGroup,
    JobAction,
    JobAttempt,
    JobModel,
    JobStatus,
)
from casare_rpa.infrastructure.queue.queue_info import QueueInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

_NO_FIELDS_OF_A_FIND = ("seq", "resume_after", "examined")
_STATUSES = {status.value: status for status in JobStatus}
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # typeshed does not know it
_ALL = set(JobModel.model_fields)
"""Shared by all models from here: a field that is set later is in it already."""
_new = JobModel.__new__
_set = object.__setattr__
_UNSET: dict[str, Any] = {
    name: field.default
    for name, field in JobModel.model_fields.items()
    if field.default_factory is None and not field.is_required()
}


def claimed_job(
    row: Sequence[Any], queue: str, robot_id: str, begun: datetime, ends: datetime, *, start: bool
) -> JobModel:
    """Return the model of a job that this robot has claimed, holding its lease token.

    Args:
        row: begins as a `ClaimedRow`.
        queue: where it was claimed.
        robot_id: who has claimed it.
        begun: when its lease began.
        ends: when its lease ends.
        start: whether it is RUNNING already.

    Raises:
        ValueError, RecursionError: Python cannot read its JSON.

    """
    (
        job_id, _seq, _route, token, _seconds, attempt, created_at, workflow, payload, priority, tenant_id, tags, metadata,
        reference, run_at, max_retries, retry_delay, visibility_timeout, time_limit, on_crash, requirements, error, *_,
    ) = row  # fmt: skip
    return _model(
        {
            **_UNSET,
            "workflow": workflow,
            "payload": _decode(payload),
            "priority": priority,
            "queue_name": queue,
            "tenant_id": tenant_id,
            "tags": tags or [],
            "metadata": {} if metadata is None else _decode(metadata),
            "reference": reference,
            "run_at": run_at,
            "max_retries": max_retries,
            "retry_delay": retry_delay,
            "visibility_timeout": visibility_timeout,
            "time_limit": time_limit,
            "on_crash": on_crash,
            "requirements": {} if requirements is None else _decode(requirements),
            "id": job_id,
            "status": JobStatus.RUNNING if start else JobStatus.CLAIMED,
            "attempt": attempt,
            "created_at": created_at,
            "claimed_by": robot_id,
            "claimed_at": begun,
            "started_at": begun if start else None,
            "lease_expires_at": ends,
            "error": error,
            LEASE_TOKEN: token,
        }
    )


def found_job(row: asyncpg.Record) -> JobModel:
    """Return the model of a job that was looked up, wherever it lives."""
    fields = _common(row)
    for name in _NO_FIELDS_OF_A_FIND:
        fields.pop(name, None)
    fields["result"] = _parsed(fields["result"], None)
    fields["dead_letter_reason"] = fields.pop("reason")
    return _model({**_UNSET, **fields})


def group(row: asyncpg.Record) -> DeadLetterGroup:
    """Return the model of a group of dead letters."""
    return DeadLetterGroup.model_construct(**{name: row[name] for name in DeadLetterGroup.model_fields})


def action(row: asyncpg.Record) -> JobAction:
    """Return the model of what was done to a job."""
    return JobAction.model_construct(**{**dict(row), "detail": _parsed(row["detail"], None)})


def ended_attempt(row: asyncpg.Record) -> JobAttempt:
    """Return the model of an ended attempt."""
    return JobAttempt.model_construct(**dict(row))


def queue_info(row: asyncpg.Record) -> QueueInfo:
    """Return the model of how a queue is doing."""
    return QueueInfo.model_construct(**dict(row))


def _model(fields: dict[str, Any]) -> JobModel:
    """Return a model without validating it: what `model_construct` does, in a tenth of its time."""
    job = _new(JobModel)
    _set(job, "__dict__", fields)
    _set(job, "__pydantic_fields_set__", _ALL)
    _set(job, "__pydantic_extra__", None)
    _set(job, "__pydantic_private__", None)
    return job


def _common(row: asyncpg.Record) -> dict[str, Any]:
    """Return the fields of a found row, among others that are no fields."""
    fields = dict(row)
    fields["payload"] = _decode(fields["payload"])
    fields["status"] = _STATUSES[fields["status"]]
    fields["tags"] = fields["tags"] or []
    fields["metadata"] = _parsed(fields["metadata"], {})
    fields["requirements"] = _parsed(fields["requirements"], {})
    return fields


def _decode(text: str) -> Any:
    """Return what PostgreSQL's own JSON text says; there is nothing around it that a decoder would have to skip."""
    return _scan(text, 0)[0]


def _parsed(text: str | None, otherwise: Any) -> Any:
    return otherwise if text is None else _decode(text)
