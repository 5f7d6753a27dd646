"""`JobModel` and its vocabulary: the whole life of a job."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, field_validator

from casare_rpa.foundation.errors import InvalidJob
from casare_rpa.foundation.jsontext import to_json
from casare_rpa.infrastructure.queue.requirements import check_requirements

if TYPE_CHECKING:
    from casare_rpa.foundation.errors import CasareError

MAX_BATCH = 10_000
"""Jobs in one batch."""
MAX_PAGE = 1000
"""Jobs in one page of a list."""
MAX_TAGS = 32
"""Tags of a job."""
MAX_COMMENT = 10_000
"""Characters of a comment."""
LEASE_TOKEN = "_lease_token"  # noqa: S105 - a name, no secret
"""Where a claimed model keeps its token: beside its fields, so that no repr and no dump shows it."""


class JobStatus(StrEnum):
    """Where a job is in its life."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; a FAILED one can still be redriven by a person."""
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


class JobPriority(IntEnum):
    """Names for priorities; any whole number from 0 to 20 is valid, and higher goes first."""

    LOW = 0
    NORMAL = 5
    HIGH = 10
    URGENT = 15
    CRITICAL = 20


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
PositiveSeconds = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)


class JobModel(BaseModel):
    """A job: what a caller sets to enqueue one, and what the queue sets during its life.

    Attributes:
        workflow: the name of what is to be run, 1 to 200 characters.
        payload: any JSON object, up to 1 MiB as text and 64 levels deep.
        priority: 0 to 20; higher goes first.
        queue_name: the queue; None is the producer's.
        tenant_id: whose job it is; None is nobody's in particular.
        tags: up to 32 words to filter by.
        metadata: a JSON object to filter by.
        reference: unique per tenant and queue while any record of the job exists, 1 to 500 characters.
        run_at: not before this time, which has a zone; a time past is now.
        max_retries: attempts in all; None is the producer's setting.
        retry_delay: seconds before the second attempt; doubled for each further one, at most 300, give or take a fifth.
        visibility_timeout: seconds a claim lasts without a heartbeat; None is the claimer's setting.
        time_limit: seconds an attempt may run; None is no limit.
        on_crash: what to do when a robot dies while the job runs: ``retry``, ``hold`` it as a dead letter in doubt, or ``fail``.
        requirements: what a robot must have: ``capabilities``, ``labels``, ``environment``, ``pool``.

    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, use_enum_values=False)

    workflow: Name
    payload: dict[str, Any] = Field(default_factory=dict)
    priority: StrictInt = Field(default=JobPriority.NORMAL, ge=0, le=20)
    queue_name: Name | None = None
    tenant_id: Name | None = None
    tags: list[Name] = Field(default_factory=list, max_length=MAX_TAGS)
    metadata: dict[str, Any] = Field(default_factory=dict)
    reference: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")] | None = None
    run_at: AwareDatetime | None = None
    max_retries: StrictInt | None = Field(default=None, ge=1, le=9999)
    retry_delay: float = Field(default=5.0, ge=0, le=1e9, allow_inf_nan=False)
    visibility_timeout: Annotated[float, Field(ge=0.1, le=1e9, allow_inf_nan=False)] | None = None
    time_limit: PositiveSeconds | None = None
    on_crash: Literal["retry", "hold", "fail"] = "retry"
    requirements: dict[str, Any] = Field(default_factory=dict)

    id: UUID | None = None
    status: JobStatus = JobStatus.PENDING
    attempt: int = 0
    created_at: datetime | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_expires_at: datetime | None = None
    result: Any = None
    error: str | None = None
    crashes: int = 0
    cancel_requested_at: datetime | None = None
    dead_letter_reason: str | None = None
    error_shape: str | None = None
    assigned_to: str | None = None

    @property
    def lease_token(self) -> UUID | None:
        """The secret that this attempt is settled with; on claimed models only, and in no repr and no dump."""
        return self.__dict__.get(LEASE_TOKEN)

    @field_validator("payload", "metadata")
    @classmethod
    def _is_json(cls, value: dict[str, Any], info: Any) -> dict[str, Any]:
        to_json(value, info.field_name)
        return value

    @field_validator("requirements")
    @classmethod
    def _are_requirements(cls, value: dict[str, Any]) -> dict[str, Any]:
        return check_requirements(value)

    @field_validator("run_at")
    @classmethod
    def _is_in_reach(cls, value: datetime | None) -> datetime | None:
        if value is not None and not EARLIEST <= value <= LATEST:
            raise ValueError("must lie between the years 1970 and 3000")
        return value


class EnqueueResult(BaseModel):
    """What became of one job of a batch enqueued with ``mode="each"``: its id, or the error that kept it out."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    id: UUID | None = None
    error: Any = None

    if TYPE_CHECKING:

        def __init__(self, *, id: UUID | None = None, error: CasareError | None = None) -> None: ...  # noqa: A002


class JobAttempt(BaseModel):
    """An ended attempt of a job: who ran it, when, how it ended and why."""

    attempt: int
    robot: str | None
    claimed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    outcome: Literal["completed", "failed", "business", "released", "expired", "cancelled"]
    error: str | None


class JobAction(BaseModel):
    """What a person or a program did to a job: when, which login, what, and why.

    Attributes:
        at: when.
        actor: the database login that did it.
        action: what was done.
        comment: why, if it was said.
        detail: what belongs to the action, for example ``{"payload": …}`` as it was before it was edited.

    """

    at: datetime
    actor: str
    action: Literal["commented", "assigned", "edited", "redriven", "resolved", "cancelled", "prioritised", "retried"]
    comment: str | None
    detail: dict[str, Any] | None


class DeadLetterGroup(BaseModel):
    """Dead letters that failed alike: of one queue and workflow, for one reason, with errors of one shape.

    Attributes:
        queue_name: their queue.
        workflow: what was to be run.
        reason: why they are dead letters.
        shape: the first line of their errors, in which numbers, ids, times and paths are folded.
        count: how many they are.
        first_at: when the first of them died.
        last_at: when the last of them died.
        example_id: the one that died last.
        assigned_to: to whom some of them are assigned.

    """

    queue_name: str
    workflow: str
    reason: str
    shape: str
    count: int
    first_at: datetime
    last_at: datetime
    example_id: UUID
    assigned_to: list[str]


class QueueHealth(BaseModel):
    """What `health_check` found; `error` says why `ok` is false."""

    ok: bool
    latency_ms: float | None = None
    server_version: str | None = None
    schema_version: int | None = None
    error: str | None = None


def check_limit(limit: object, most: int) -> None:
    """Raise `InvalidJob` unless this is a whole number of jobs from 1 to `most`."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        raise InvalidJob(f"limit must be a whole number from 1 to {most}, not {limit!r}")
