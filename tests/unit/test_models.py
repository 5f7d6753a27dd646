"""`JobModel` and its vocabulary: what may be in a job, and what is refused by name."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from casare_rpa.infrastructure.queue import InvalidJob, JobModel, JobPriority, JobStatus
from casare_rpa.infrastructure.queue.models import LEASE_TOKEN


def refusal(**fields: Any) -> str:
    """Return what is said when a job with `fields` is made."""
    with pytest.raises(ValidationError) as caught:
        JobModel(**{"workflow": "w", **fields})
    return str(caught.value)


def claimed() -> JobModel:
    job = JobModel(workflow="w", id=uuid4())
    job.__dict__[LEASE_TOKEN] = uuid4()
    return job


def test_the_statuses_are_those_of_the_life_of_a_job() -> None:
    assert [status.value for status in JobStatus] == [
        "PENDING",
        "CLAIMED",
        "RUNNING",
        "COMPLETED",
        "FAILED",
        "CANCELLED",
    ]
    assert [status for status in JobStatus if status.is_final] == [
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    ]


def test_the_priorities_have_five_names() -> None:
    assert {priority.name: priority.value for priority in JobPriority} == {
        "LOW": 0,
        "NORMAL": 5,
        "HIGH": 10,
        "URGENT": 15,
        "CRITICAL": 20,
    }


@pytest.mark.parametrize("priority", [*range(21), *JobPriority])
def test_any_whole_number_from_0_to_20_is_a_priority(priority: int) -> None:
    assert JobModel(workflow="w", priority=priority).priority == priority


@pytest.mark.parametrize(
    ("priority", "right"),
    [
        (-1, "greater than or equal to 0"),
        (21, "less than or equal to 20"),
        (5.5, "valid integer"),
        (5.0, "valid integer"),
        ("high", "valid integer"),
        ("5", "valid integer"),
        (True, "valid integer"),
        (None, "valid integer"),
    ],
)
def test_any_other_priority_is_refused(priority: Any, right: str) -> None:
    said = refusal(priority=priority)
    assert "priority" in said
    assert right in said


def test_a_new_job_has_the_defaults_of_the_queue() -> None:
    job = JobModel(workflow="invoices")
    assert (job.payload, job.tags, job.metadata, job.requirements) == ({}, [], {}, {})
    assert (job.priority, job.status, job.attempt, job.crashes) == (JobPriority.NORMAL, JobStatus.PENDING, 0, 0)
    assert (job.retry_delay, job.on_crash) == (5.0, "retry")
    assert (job.queue_name, job.tenant_id, job.reference, job.run_at, job.max_retries) == (None,) * 5
    assert (job.visibility_timeout, job.time_limit, job.lease_token, job.id) == (None,) * 4


def test_two_jobs_share_no_payload() -> None:
    first, second = JobModel(workflow="w"), JobModel(workflow="w")
    first.payload["x"] = 1
    first.tags.append("x")
    assert (second.payload, second.tags) == ({}, [])


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        ("workflow", "", "at least 1 character"),
        ("workflow", "w" * 201, "at most 200 characters"),
        ("workflow", "a\x00b", "should match pattern"),
        ("workflow", "a\ud800", "valid string"),
        ("workflow", None, "valid string"),
        ("workflow", 7, "valid string"),
        ("queue_name", "", "at least 1 character"),
        ("queue_name", "q" * 201, "at most 200 characters"),
        ("tenant_id", "", "at least 1 character"),
        ("tenant_id", "t" * 201, "at most 200 characters"),
        ("reference", "", "at least 1 character"),
        ("reference", "r" * 501, "at most 500 characters"),
        ("reference", "a\x00b", "should match pattern"),
        ("tags", ["x"] * 33, "at most 32 items"),
        ("tags", [""], "at least 1 character"),
        ("tags", ["a\x00b"], "should match pattern"),
        ("tags", "urgent", "valid list"),
        ("tags", [5], "valid string"),
        ("metadata", [], "valid dictionary"),
        ("metadata", {"a": float("nan")}, "metadata.a is nan, which JSON cannot hold"),
        ("max_retries", 0, "greater than or equal to 1"),
        ("max_retries", 10_000, "less than or equal to 9999"),
        ("max_retries", 2.5, "valid integer"),
        ("retry_delay", -1, "greater than or equal to 0"),
        ("retry_delay", float("inf"), "finite number"),
        ("retry_delay", "soon", "valid number"),
        ("visibility_timeout", 0, "greater than or equal to 0.1"),
        ("visibility_timeout", -30, "greater than or equal to 0.1"),
        ("visibility_timeout", float("nan"), "finite number"),
        ("time_limit", 0, "greater than 0"),
        ("time_limit", -1, "greater than 0"),
        ("time_limit", float("inf"), "finite number"),
        ("on_crash", "explode", "'retry', 'hold' or 'fail'"),
        ("requirements", {"capability": ["sap"]}, "unknown requirement 'capability'"),
        ("requirements", ["sap"], "valid dictionary"),
        ("run_at", datetime(2030, 1, 1), "timezone"),  # noqa: DTZ001 - that is what is refused
        ("run_at", "2030-01-01T00:00:00", "timezone"),
        ("run_at", datetime(9999, 12, 31, 23, 59, tzinfo=UTC), "must lie between the years 1970 and 3000"),
        ("run_at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "must lie between the years 1970 and 3000"),
        ("run_at", "tomorrow", "valid datetime"),
    ],
)
def test_a_field_out_of_range_is_refused_with_its_name_and_what_it_may_be(field: str, value: Any, right: str) -> None:
    said = refusal(**{field: value})
    assert field in said
    assert right in said
    job = JobModel(workflow="w")
    with pytest.raises(ValidationError, match=field):
        setattr(job, field, value)
    assert job == JobModel(workflow="w")


@pytest.mark.parametrize(
    ("payload", "right"),
    [
        ([], "valid dictionary"),
        ("text", "valid dictionary"),
        (None, "valid dictionary"),
        ({1: "x"}, "valid string"),
        ({"a": "x\x00"}, "payload.a contains a NUL character at position 1, which PostgreSQL cannot store"),
        ({"a": "\udc00"}, "payload.a contains an unpaired surrogate at position 0, which PostgreSQL cannot store"),
        ({"a": [float("nan")]}, "payload.a[0] is nan, which JSON cannot hold"),
        ({"a": b"x"}, "payload.a is of type bytes, which JSON cannot hold"),
        ({"a": uuid4()}, "payload.a is of type UUID, which JSON cannot hold"),
    ],
)
def test_a_payload_that_is_no_json_object_is_refused_with_the_place_of_the_fault(payload: Any, right: str) -> None:
    said = refusal(payload=payload)
    assert "payload" in said
    assert right in said


def test_a_payload_of_100_levels_is_refused() -> None:
    payload: dict[str, Any] = {}
    for _ in range(99):
        payload = {"a": payload}
    assert "payload is nested deeper than 64 levels" in refusal(payload=payload)


def test_an_unexpected_keyword_is_refused_by_name() -> None:
    said = refusal(prority=5)
    assert "prority" in said
    assert "Extra inputs are not permitted" in said


def test_a_job_needs_a_workflow() -> None:
    with pytest.raises(ValidationError, match=r"workflow\n\s+Field required"):
        JobModel()  # type: ignore[call-arg]  # that is what is refused


def test_run_at_keeps_its_moment_whatever_its_zone() -> None:
    moment = datetime(2030, 6, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert JobModel(workflow="w", run_at=moment).run_at == datetime(2030, 6, 1, 10, 0, tzinfo=UTC)


def test_the_lease_token_shows_in_no_repr_and_no_dump() -> None:
    job = claimed()
    token = job.lease_token
    assert token is not None
    shown = [
        repr(job),
        str(job),
        f"{job}",
        repr(dict(job)),
        repr(job.model_dump()),
        repr(job.model_dump(mode="json", round_trip=True, exclude_none=True)),
        job.model_dump_json(),
        repr(list(job)),
        repr(JobModel.model_json_schema()),
        repr(JobModel.model_validate(job.model_dump())),
    ]
    for text in shown:
        assert str(token) not in text
        assert token.hex not in text
        assert "token" not in text


def test_a_model_made_from_a_dump_holds_no_lease() -> None:
    assert JobModel.model_validate_json(claimed().model_dump_json()).lease_token is None


def test_the_lease_token_cannot_be_given_or_set() -> None:
    assert "lease_token" in refusal(lease_token=uuid4())
    assert LEASE_TOKEN in refusal(**{LEASE_TOKEN: uuid4()})
    with pytest.raises(AttributeError):
        JobModel(workflow="w").lease_token = uuid4()  # type: ignore[misc]  # that is what is refused


def test_writing_to_a_claimed_job_keeps_its_lease() -> None:
    job = claimed()
    token = job.lease_token
    job.status = JobStatus.RUNNING
    job.result = {"total": 12}
    assert (job.lease_token, job.status, job.result) == (token, JobStatus.RUNNING, {"total": 12})


def test_a_copy_of_a_job_without_a_lease_can_be_pickled_and_compared() -> None:
    job = JobModel(workflow="w", payload={"a": 1}, tags=["x"])
    assert pickle.loads(pickle.dumps(job)) == job == copy.deepcopy(job)  # noqa: S301 - our own bytes


def test_invalid_job_is_a_value_error_like_what_pydantic_raises() -> None:
    assert issubclass(InvalidJob, ValueError)
    assert issubclass(ValidationError, ValueError)
