"""What a caller writes into a job comes back as it was: by a claim, by a look-up, from history and from the dead letters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from casare_rpa.infrastructure.queue.filters import JobFilter
from tests.conformance.helpers import claim, id_of, jobs, pass_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.queues import Clock, Queue

EVERYTHING: dict[str, Any] = {
    "workflow": "Rechnungen prüfen 🤖",
    "payload": {
        "invoice": 7,
        "lines": [{"sum": 1.5}, None, True],
        "ü": "€",
        "": {"deep": [[[]]]},
        "quote": "\"'\\u0000",
    },
    "priority": 17,
    "queue_name": "Büro / nachts; DROP TABLE jobs",
    "tenant_id": "Müller & Söhne",
    "tags": ["eilig", "a b", "ü", '"', "{}", "NULL", "a,b", "\\"],
    "metadata": {"source": "mail", "n": [1, 2, {"x": None}]},
    "reference": "Rechnung 7/2026 'x'",
    "run_at": datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=UTC),
    "max_retries": 7,
    "retry_delay": 12.5,
    "visibility_timeout": 77.25,
    "time_limit": 3600.5,
    "on_crash": "hold",
    "requirements": {
        "capabilities": ["excel", "sap"],
        "labels": {"site": "Wien", "ü": "ä"},
        "environment": "production",
        "pool": "night",
    },
}


@pytest.fixture
async def consumer(queue: Queue, config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    fits = config.model_copy(update={"queue_name": EVERYTHING["queue_name"]})
    offer = EVERYTHING["requirements"]
    async with queue.consumer(fits, robot_id="robot-1", **offer) as opened:
        yield opened


def given_by_the_caller(job: JobModel) -> dict[str, Any]:
    return {field: getattr(job, field) for field in EVERYTHING}


async def test_every_field_comes_back_wherever_the_job_is(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(**EVERYTHING))
    assert given_by_the_caller(await producer.get_job(job_id)) == EVERYTHING
    claimed = await claim(consumer)
    assert given_by_the_caller(claimed) == EVERYTHING
    await consumer.fail_job(claimed, "no", business=True)
    assert given_by_the_caller(await producer.get_job(job_id)) == EVERYTHING
    await producer.redrive_jobs([job_id])
    redriven = await claim(consumer)
    assert {**given_by_the_caller(redriven), "run_at": EVERYTHING["run_at"]} == EVERYTHING
    await consumer.complete_job(redriven)
    done = await producer.get_job(job_id)
    assert {**given_by_the_caller(done), "run_at": EVERYTHING["run_at"]} == EVERYTHING
    assert done.status is JobStatus.COMPLETED


async def test_every_field_of_a_cancelled_job_comes_back(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(**EVERYTHING))
    await producer.cancel_job(job_id)
    assert given_by_the_caller(await producer.get_job(job_id)) == EVERYTHING


async def test_a_retry_and_a_release_lose_no_field(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(JobModel(**EVERYTHING))
    await consumer.fail_job(await claim(consumer), "no", retry_in=0)
    await consumer.release_job(await claim(consumer))
    assert given_by_the_caller(await producer.get_job(job_id)) == EVERYTHING


async def test_jobs_of_every_kind_in_one_batch_are_not_mixed_up(producer: PgQueuerProducer) -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"tags": ["a"]},
        {"tags": ["b"]},
        {"metadata": {"x": 1}},
        {"metadata": {"x": 2}, "tags": ["a"]},
        {"requirements": {"pool": "a"}},
        {"tenant_id": "t"},
        {"queue_name": "other"},
        {"priority": 9, "max_retries": 1},
        {"visibility_timeout": 5.0, "time_limit": 6.0, "on_crash": "fail", "retry_delay": 0.0},
    ]
    models = [JobModel(workflow=f"w{n % 3}", payload={"n": n}, **kinds[n % 10]) for n in range(60)]
    ids = await producer.enqueue_batch(models)
    given = set(EVERYTHING) - {"queue_name", "max_retries"}
    for model, job_id in zip(models, ids, strict=True):
        found = await producer.get_job(job_id)
        assert found.model_dump(include=given) == model.model_dump(include=given)
        assert found.queue_name == (model.queue_name or "casare_rpa_jobs")
        assert found.max_retries == (model.max_retries or 3)


async def test_fields_left_out_come_back_as_their_defaults(producer: PgQueuerProducer) -> None:
    job = await producer.get_job(await producer.enqueue_job(JobModel(workflow="w")))
    assert (job.payload, job.tags, job.metadata, job.requirements) == ({}, [], {}, {})
    assert (job.tenant_id, job.reference, job.run_at, job.time_limit, job.visibility_timeout) == (None,) * 5
    assert (job.queue_name, job.max_retries, job.retry_delay, job.on_crash) == ("casare_rpa_jobs", 3, 5.0, "retry")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
payloads = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**100), 2**100) | texts | st.floats(-1e15, 1e15),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(payloads, min_size=1, max_size=8))
async def test_any_json_object_is_a_payload(producer: PgQueuerProducer, batch: list[dict[str, Any]]) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w", payload=payload) for payload in batch])
    for job_id, payload in zip(ids, batch, strict=True):
        assert (await producer.get_job(job_id)).payload == payload


async def test_an_id_may_be_given_as_text(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert (await producer.get_job(str(job_id))).id == job_id
    assert await producer.cancel_job(str(job_id).upper()) is True


async def test_the_ids_are_uuids_and_the_times_have_zones(
    queue: Queue, producer: PgQueuerProducer, config: QueueConfig
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert isinstance(job_id, UUID)
    async with queue.consumer(config, robot_id="r") as consumer:
        job = await claim(consumer)
        await consumer.start_job(job)
        for moment in (job.created_at, job.claimed_at, job.started_at, job.lease_expires_at):
            assert moment is not None
            assert moment.tzinfo is not None


async def test_an_id_that_a_caller_sets_is_not_used(producer: PgQueuerProducer) -> None:
    first = await producer.get_job(await producer.enqueue_job(JobModel(workflow="w")))
    second = await producer.enqueue_job(first)
    assert second != first.id
    assert await producer.get_queue_depth() == 2


async def test_jobs_can_be_listed_by_queue_status_workflow_and_tenant(
    producer: PgQueuerProducer, config: QueueConfig
) -> None:
    a, b, c, d = await producer.enqueue_batch(
        [
            JobModel(workflow="a"),
            JobModel(workflow="b"),
            JobModel(workflow="a", tenant_id="t"),
            JobModel(workflow="a", queue_name="other"),
        ]
    )
    await producer.cancel_job(b)

    async def listed(**filters: Any) -> set[UUID]:
        return {id_of(job) for job in await producer.list_jobs(JobFilter.of(**filters))}

    assert await listed() == {a, b, c, d}
    assert await listed(queue_name="other") == {d}
    assert await listed(status=JobStatus.CANCELLED) == {b}
    assert await listed(status=JobStatus.RUNNING) == set()
    assert await listed(workflow="a") == {a, c, d}
    assert await listed(tenant_id="t") == {c}
    assert await listed(workflow="a", queue_name=config.queue_name, tenant_id="t") == {c}


async def test_listing_goes_page_by_page_and_meets_every_job_once(producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch(jobs(*range(25)))
    found: list[UUID] = []
    after = None
    for size in (10, 10, 5):
        page = await producer.list_jobs(limit=10, after=after)
        assert len(page) == size
        found += [id_of(job) for job in page]
        after = page.next
    assert after is None
    assert found == sorted(ids, reverse=True)


# Tenants


async def test_a_robot_of_the_whole_database_claims_for_every_tenant(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch([*jobs(0, tenant_id="a"), *jobs(1, tenant_id="b"), *jobs(2)])
    async with queue.consumer(config, robot_id="r") as consumer:
        assert [job.tenant_id for job in await consumer.claim_jobs(3)] == ["a", "b", None]


async def test_the_tenant_of_a_dead_letter_is_kept(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", tenant_id="a", max_retries=1))
    async with queue.consumer(config, robot_id="r") as consumer:
        await consumer.fail_job(await claim(consumer), "no")
    await pass_time(clock, 60)
    assert [(job.id, job.tenant_id) for job in await producer.list_dead_letters()] == [(job_id, "a")]
