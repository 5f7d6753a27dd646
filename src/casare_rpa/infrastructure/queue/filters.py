"""`JobFilter`: which jobs are meant, for lists and for what is done to many at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from casare_rpa.foundation.errors import InvalidFilter, InvalidJob
from casare_rpa.foundation.jsontext import to_json
from casare_rpa.infrastructure.queue.models import MAX_TAGS, JobStatus, Name

MAX_FILTER_IDS = 10_000
"""Ids in a filter."""
MAX_METADATA_BYTES = 10_240
"""Bytes of the metadata of a filter as JSON."""
MAX_METADATA_VALUES = 100
"""Values in the metadata of a filter, lists and objects included: each may be compared with each that a job has."""

DeadLetterReason = Literal["exhausted", "business", "crashed", "in doubt", "quarantined"]
_NO_NUL = r"^[^\x00]*$"


class JobFilter(BaseModel):
    """Which jobs are meant: those for which everything holds that is given. Nothing given means all of them.

    In SQL a filter is a JSON object with the same keys. `reason`, `shape` and `assigned_to` match dead letters alone.

    Attributes:
        ids: jobs with one of these ids, up to 10,000; none with an empty list.
        queue_name: jobs of this queue.
        status: jobs that are in this, or in one of these.
        workflow: jobs that run this.
        tenant_id: jobs of this tenant.
        tags: jobs that have all of these.
        metadata: jobs whose metadata contain this object, as PostgreSQL's ``@>`` has it; up to 10,240 bytes as JSON, and 100 values
            in all, lists and objects included.
        robot: jobs that this robot holds, or held last.
        reference: the jobs that have this reference, one in each tenant and queue at most. A cancelled job has given its back.
        since: jobs created at this time, which has a zone, or later.
        until: jobs created before this time.
        error: jobs whose error contains this text; A to Z in capitals or not.
        reason: dead letters with this reason: ``exhausted``, ``business``, ``crashed``, ``in doubt`` or ``quarantined``.
        shape: dead letters whose error has this shape (see `group_dead_letters`).
        assigned_to: dead letters that are assigned to this person; the empty text means to nobody.

    Raises:
        InvalidFilter: a key that is none of these, or a value that cannot be right; the message names the key.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: Annotated[list[UUID], Field(max_length=MAX_FILTER_IDS)] | None = None
    queue_name: Name | None = None
    status: JobStatus | Annotated[list[JobStatus], Field(min_length=1, max_length=len(JobStatus))] | None = None
    workflow: Name | None = None
    tenant_id: Name | None = None
    tags: Annotated[list[Name], Field(min_length=1, max_length=MAX_TAGS)] | None = None
    metadata: Annotated[dict[str, Any], Field(min_length=1)] | None = None
    robot: Name | None = None
    reference: Annotated[str, Field(min_length=1, max_length=500, pattern=_NO_NUL)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    error: Annotated[str, Field(min_length=1, max_length=1000, pattern=_NO_NUL)] | None = None
    reason: DeadLetterReason | None = None
    shape: Annotated[str, Field(max_length=200, pattern=_NO_NUL)] | None = None
    assigned_to: Annotated[str, Field(max_length=200, pattern=_NO_NUL)] | None = None

    if not TYPE_CHECKING:  # the fields are what a type checker should see

        def __init__(self, **keys):  # noqa: ANN003, ANN204 - as above
            try:
                super().__init__(**keys)
            except ValidationError as error:
                problems = {str(problem["loc"][0]): problem for problem in reversed(error.errors())}
                raise InvalidFilter("; ".join(_words(*problem) for problem in reversed(problems.items()))) from None

    @classmethod
    def of(cls, **keys: Any) -> Self:
        """Return the filter with these keys, for example as they came with a request.

        Raises:
            InvalidFilter: a key that is none, or a value that cannot be right; the message names the key.

        """
        return cls(**keys)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given, so that all jobs are meant."""
        return not self.model_dump(exclude_none=True)

    @property
    def statuses(self) -> list[JobStatus] | None:
        """The statuses that are meant; None is all of them."""
        return [self.status] if isinstance(self.status, JobStatus) else self.status

    def to_json(self) -> str:
        """Return the filter as the functions of the schema take it: a JSON object of the keys that are given."""
        values = self.model_dump(exclude_none=True) | ({} if self.status is None else {"status": self.statuses})
        plain = {key: _plain(value) for key, value in values.items()}
        return to_json(plain, "filter")

    @field_validator("metadata")
    @classmethod
    def _is_json(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            try:
                to_json(value, "metadata", MAX_METADATA_BYTES)
            except InvalidJob as error:
                raise ValueError(str(error)) from None
            if _values(value) > MAX_METADATA_VALUES:
                raise ValueError(f"metadata may have {MAX_METADATA_VALUES} values at most, lists and objects included")
        return value


def _values(document: Any) -> int:
    parts = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return sum(1 + _values(part) for part in parts)


def _plain(value: Any) -> Any:
    match value:
        case list():
            return [_plain(item) for item in value]
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
    return value


def _words(key: str, problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return f'there is no filter "{key[:100]}": there are {", ".join(JobFilter.model_fields)}'
    message = str(problem["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    if message.startswith(key):  # our own checks name the place within the key
        return message
    given = problem["input"]
    shown = f", not {given!r:.100}" if isinstance(given, str | int | float | datetime) else ""
    return f"{key}: {message[:1].lower()}{message[1:]}{shown}"
