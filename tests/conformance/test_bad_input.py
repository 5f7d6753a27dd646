"""What is wrong is refused with a clear error, and nothing is half done."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from casare_rpa.infrastructure.queue import (
    InvalidJob,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, contents, id_of, jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.queues import Queue

LIMIT = 1_048_576


@pytest.fixture
async def consumer(queue: Queue, config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with queue.consumer(config.model_copy(update={"max_concurrent_jobs": 100}), robot_id="robot-1") as opened:
        yield opened


@pytest.fixture
async def unchanged(queue) -> AsyncIterator[None]:
    """The tables hold at the end of the test what they held at its beginning."""
    before = await contents(queue)
    yield
    assert await contents(queue) == before


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


def payload_of(size: int) -> dict[str, str]:
    """Return a payload whose JSON text has so many bytes."""
    return {"x": "ä" * ((size - 9) // 2) + "a" * ((size - 9) % 2)}


def spoiled(**fields: Any) -> JobModel:
    """Return a job into whose lists and objects nonsense was written after it was made."""
    job = JobModel(workflow="w")
    for field, value in fields.items():
        kept = getattr(job, field)
        if isinstance(kept, dict):
            kept.update(value)
        else:
            kept.extend(value)
    return job


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tags": ["a\x00"]}, r"tags\[0\] contains a NUL character"),
        ({"tags": [b"x"]}, r"tags\[0\] is of type bytes"),
        ({"tags": [5]}, "tags must be words of 1 to 200 characters"),
        ({"tags": [""]}, "tags must be words of 1 to 200 characters"),
        ({"tags": ["x" * 201]}, "tags must be words of 1 to 200 characters"),
        ({"tags": ["x"] * 33}, "tags: 32 at most"),
        ({"metadata": {"a": float("nan")}}, "metadata.a is nan"),
        ({"metadata": {"a": "\ud800"}}, "metadata.a contains an unpaired surrogate"),
        ({"metadata": {"a": {1, 2}}}, "metadata.a is of type set"),
        ({"requirements": {"capabilities": "sap"}}, "requirements: capabilities must be a list of words"),
        ({"requirements": {"capability": ["sap"]}}, "requirements: unknown requirement 'capability'"),
    ],
)
@pytest.mark.usefixtures("unchanged")
async def test_nonsense_written_into_a_job_after_it_was_made_is_refused_when_it_is_enqueued(
    producer: PgQueuerProducer, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidJob, match=said):
        await producer.enqueue_batch([*jobs(0), spoiled(**fields)])


async def test_a_payload_of_exactly_1_mib_is_taken_and_comes_back(producer: PgQueuerProducer) -> None:
    for payload in (payload_of(LIMIT), payload_of(LIMIT - 1)):
        assert len(json.dumps(payload, ensure_ascii=False).encode()) in {LIMIT, LIMIT - 1}
        job_id = await producer.enqueue_job(JobModel(workflow="w", payload=payload))
        assert (await producer.get_job(job_id)).payload == payload


async def test_a_payload_of_exactly_64_levels_is_taken(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", payload=nested(64)))
    assert (await producer.get_job(job_id)).payload == nested(64)


@pytest.mark.usefixtures("unchanged")
async def test_what_is_no_job_is_refused_with_its_place_in_the_batch(producer: PgQueuerProducer) -> None:
    intruders: list[Any] = [{"workflow": "w"}, "w", None, 7, JobModel]
    for intruder in intruders:
        with pytest.raises(InvalidJob, match=r"job 1 of the batch is a \w+, not a JobModel"):
            await producer.enqueue_batch([*jobs(0), intruder, *jobs(1)])
        with pytest.raises(InvalidJob, match="not a JobModel"):
            await producer.enqueue_job(intruder)


@pytest.mark.usefixtures("unchanged")
async def test_an_unexpected_keyword_is_refused(producer: PgQueuerProducer) -> None:
    with pytest.raises(ValidationError, match="proirity"):
        JobModel.model_validate({"workflow": "w", "proirity": 5})
    with pytest.raises(TypeError, match="proirity"):
        await producer.enqueue_job(JobModel(workflow="w"), proirity=5)  # type: ignore[call-arg]  # that is refused


async def test_what_is_no_id_is_refused(producer: PgQueuerProducer) -> None:
    ids: list[Any] = ["", "7", "not-a-uuid", None, 7, "g" * 32]
    for job_id in ids:
        for call in (producer.get_job, producer.get_job_status, producer.cancel_job, producer.get_attempts):
            with pytest.raises(JobNotFound, match="is no job id: an id is a UUID"):
                await call(job_id)
        with pytest.raises(JobNotFound, match="is no job id: an id is a UUID"):
            await producer.redrive_jobs([job_id])


async def test_an_unknown_job_is_named(producer: PgQueuerProducer) -> None:
    job_id = uuid4()
    for call in (producer.get_job, producer.get_job_status, producer.cancel_job, producer.get_attempts):
        with pytest.raises(JobNotFound, match=f"there is no job {job_id}"):
            await call(job_id)


# Claims and settlements


@pytest.mark.usefixtures("unchanged")
async def test_a_wrong_limit_claims_nothing(consumer: PgQueuerConsumer) -> None:
    limits: list[Any] = [0, -1, 10_001, 2.5, "3", None, True]
    for limit in limits:
        with pytest.raises(InvalidJob, match="limit must be a whole number from 1 to 10000, not "):
            await consumer.claim_jobs(limit)


async def test_a_wrong_retry_in_leaves_the_lease_as_it_is(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    pauses: list[Any] = [-1, float("nan"), float("inf"), 1e10, "soon"]
    for seconds in pauses:
        with pytest.raises(InvalidJob, match="retry_in must be 0 seconds or more, not "):
            await consumer.fail_job(job, "no", retry_in=seconds)
    assert await producer.get_job_status(job_id) is JobStatus.CLAIMED
    await consumer.complete_job(job)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (float("nan"), "result is nan, which JSON cannot hold"),
        ({"a": object()}, "result.a is of type object, which JSON cannot hold"),
        ("x" * LIMIT, f"result has {LIMIT + 2} bytes as JSON, more than the limit of {LIMIT}"),
        (nested(100), "result is nested deeper than 64 levels"),
    ],
    ids=["NaN", "object", "too large", "100 levels"],
)
async def test_a_result_that_cannot_be_stored_leaves_the_lease_as_it_is(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer, result: Any, said: str
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    with pytest.raises(InvalidJob) as caught:
        await consumer.complete_job(job, result=result)
    assert str(caught.value) == said
    assert await producer.get_job_status(job_id) is JobStatus.CLAIMED
    await consumer.complete_job(job, result="x" * (LIMIT - 2))
    assert (await producer.get_job(job_id)).result == "x" * (LIMIT - 2)


async def test_errors_and_results_with_nul_and_surrogates_are_made_safe_and_harm_none_settled_with_them(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(*range(20), max_retries=1))
    held = await consumer.claim_jobs(20)

    async def settle(job: JobModel) -> None:
        match job.payload["n"] % 4:
            case 0:
                await consumer.complete_job(job, result={"a\x00": ["b\ud800"]})
            case 1:
                await consumer.fail_job(job, "a\x00b\udfff")
            case 2:
                await consumer.fail_job(job, ValueError("\x00\ud800"), business=True)
            case _:
                await consumer.complete_job(job, result=job.payload["n"])

    await asyncio.gather(*map(settle, held))
    for job in held:
        found = await producer.get_job(id_of(job))
        match job.payload["n"] % 4:
            case 0:
                assert (found.status, found.result) == (JobStatus.COMPLETED, {"a\ufffd": ["b\ufffd"]})
            case 1:
                assert (found.status, found.error) == (JobStatus.FAILED, "a\ufffdb\ufffd")
            case 2:
                assert (found.error or "").startswith("ValueError: \ufffd\ufffd")
            case _:
                assert (found.status, found.result) == (JobStatus.COMPLETED, job.payload["n"])


async def test_an_error_text_of_1_mib_is_kept_to_64_kib_with_a_note(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    await consumer.fail_job(await claim(consumer), "ä" * (LIMIT // 2))
    kept = (await producer.get_job(job_id)).error or ""
    assert 65_000 < len(kept.encode()) <= 65_536
    assert kept.endswith(f"ä [{LIMIT} bytes in all, cut here]")
    (attempt,) = await producer.get_attempts(job_id)
    assert attempt.error == kept
