"""Turns rows of the database into models, past the validation they do not need."""

from __future__ import annotations

import json
from datetime import timedelta
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


class ClaimedJobs:
    """Makes the models of one claim.

    Args:
        queue: where it was made.
        robot_id: by whom.
        begun: when the leases began.
        start: whether the jobs are RUNNING already.

    """

    def __init__(self, queue: str, robot_id: str, begun: datetime, *, start: bool) -> None:
        self._begun = begun
        self._alike: dict[str, Any] = {
            **_UNSET,
            "queue_name": queue,
            "status": JobStatus.RUNNING if start else JobStatus.CLAIMED,
            "claimed_by": robot_id,
            "claimed_at": begun,
            "started_at": begun if start else None,
        }
        """What all of them have in common."""
        self._ends: dict[float, datetime] = {}

    def model(self, row: Sequence[Any]) -> JobModel:
        """Return the model of a row, which begins as a `ClaimedRow`; it holds its lease token.

        Raises:
            ValueError, RecursionError: Python cannot read its JSON.

        """
        fields = self._alike.copy()
        (
            fields["id"], _seq, _route, fields[LEASE_TOKEN], seconds, fields["attempt"], fields["created_at"], fields["workflow"],
            payload, fields["priority"], fields["tenant_id"], tags, metadata, fields["reference"], fields["run_at"],
            fields["max_retries"], fields["retry_delay"], fields["visibility_timeout"], fields["time_limit"], fields["on_crash"],
            requirements, fields["error"], *_,
        ) = row  # fmt: skip
        fields["payload"] = _scan(payload, 0)[0]
        fields["tags"] = tags or []
        fields["metadata"] = {} if metadata is None else _decode(metadata)
        fields["requirements"] = {} if requirements is None else _decode(requirements)
        ends = self._ends.get(seconds)
        if ends is None:
            ends = self._ends[seconds] = self._begun + timedelta(seconds=seconds)
        fields["lease_expires_at"] = ends
        return _model(fields)


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
