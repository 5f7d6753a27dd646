"""The lease token: new for every attempt, shown nowhere, and what it settled stays settled."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    InvalidJob,
    JobModel,
    JobStatus,
    LeaseLost,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from casare_rpa.infrastructure.queue.calls import SettleArguments
from casare_rpa.infrastructure.queue.models import LEASE_TOKEN
from tests.conformance.helpers import claim, contents, id_of, jobs

if TYPE_CHECKING:
    from tests.conformance.queues import Queue


async def test_every_claim_hands_out_a_new_token(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    await producer.enqueue_batch(jobs(*range(10)))
    tokens = {job.lease_token for job in await consumer.claim_jobs(9)}
    for _ in range(3):
        job = await claim_by_limit(consumer)
        tokens.add(job.lease_token)
        await consumer.release_job(job)
    assert None not in tokens
    assert len(tokens) == 12


async def claim_by_limit(consumer: PgQueuerConsumer) -> JobModel:
    (job,) = await consumer.claim_jobs(1)
    return job


async def test_the_token_of_a_claimed_job_shows_in_no_repr_and_no_dump(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", payload={"a": 1}))
    job = await claim(consumer)
    token = job.lease_token
    assert token is not None
    for text in (repr(job), str(job), f"{job!r:>1}", repr(job.model_dump()), job.model_dump_json(), repr(dict(job))):
        assert str(token) not in text
        assert token.hex not in text
    with pytest.raises(LeaseLost) as caught:
        await settle_after_loss(consumer, job)
    assert str(token) not in str(caught.value)


async def settle_after_loss(consumer: PgQueuerConsumer, job: JobModel) -> None:
    await consumer.release_job(job)
    await consumer.complete_job(job)


async def test_a_job_that_is_looked_up_holds_no_token_not_even_pickled(
    producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    token = (await claim(consumer)).lease_token
    assert token is not None
    for found in (await producer.get_job(job_id), *(await producer.list_jobs())):
        assert found.lease_token is None
        pickled = pickle.dumps(found)
        assert token.bytes not in pickled
        assert str(token).encode() not in pickled
        assert pickle.loads(pickled) == found  # noqa: S301 - our own bytes


async def test_only_a_claimed_model_can_be_settled(producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await claim(consumer)
    found = await producer.get_job(job_id)
    for settle in (
        consumer.start_job(found),
        consumer.complete_job(found),
        consumer.fail_job(found, "no"),
        consumer.release_job(found),
    ):
        with pytest.raises(InvalidJob, match="this job holds no lease"):
            await settle
    assert await producer.get_job_status(job_id) is JobStatus.CLAIMED


async def test_no_table_keeps_the_token_of_a_settled_attempt(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(0, 1, 2))
    held = await consumer.claim_jobs(3)
    await consumer.complete_job(held[0])
    await consumer.fail_job(held[1], "no", business=True)
    await consumer.release_job(held[2])
    kept = str(await contents(queue))
    for job in held:
        assert job.lease_token is not None
        assert str(job.lease_token) not in kept
        assert job.lease_token.hex not in kept


# Settling again


async def test_completing_twice_answers_as_the_first_time(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    await consumer.complete_job(job, result=1)
    before = await contents(queue)
    await consumer.complete_job(job, result=2)
    assert job.status is JobStatus.COMPLETED
    assert await contents(queue) == before


@pytest.mark.parametrize(
    ("fields", "arguments", "status"),
    [
        ({}, {}, JobStatus.PENDING),
        ({}, {"retry_in": 0}, JobStatus.PENDING),
        ({"max_retries": 1}, {}, JobStatus.FAILED),
        ({}, {"business": True}, JobStatus.FAILED),
    ],
)
async def test_failing_twice_answers_as_the_first_time(
    queue: Queue,
    producer: PgQueuerProducer,
    consumer: PgQueuerConsumer,
    fields: dict[str, Any],
    arguments: dict[str, Any],
    status: JobStatus,
) -> None:
    await producer.enqueue_job(JobModel(workflow="w", **fields))
    job = await claim(consumer)
    assert await consumer.fail_job(job, "no", **arguments) is status
    before = await contents(queue)
    assert await consumer.fail_job(job, "no", **arguments) is status
    assert await contents(queue) == before


async def test_releasing_twice_answers_as_the_first_time(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    await consumer.release_job(job)
    before = await contents(queue)
    await consumer.release_job(job)
    assert job.status is JobStatus.PENDING
    assert await contents(queue) == before


async def test_starting_twice_changes_nothing(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    await consumer.start_job(job)
    before = await contents(queue)
    await consumer.start_job(job)
    assert await contents(queue) == before


async def test_the_answer_stays_the_same_when_another_robot_has_the_job_meanwhile(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    await consumer.fail_job(job, "no", retry_in=0)
    async with queue.consumer(config, robot_id="next") as other:
        theirs = await claim(other)
        assert await consumer.fail_job(job, "no", retry_in=0) is JobStatus.PENDING
        assert await producer.get_job_status(job_id) is JobStatus.CLAIMED
        await other.complete_job(theirs)


@pytest.mark.parametrize("first", ["complete", "fail", "release"])
async def test_another_outcome_with_a_used_token_raises_and_changes_nothing(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer, first: str
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    job = await claim(consumer)
    await settle(consumer, job, first)
    before = await contents(queue)
    for second in {"complete", "fail", "release", "start"} - {first}:
        with pytest.raises(LeaseLost) as caught:
            await settle(consumer, job, second)
        assert caught.value.job_id == id_of(job)
    assert await contents(queue) == before


async def settle(consumer: PgQueuerConsumer, job: JobModel, how: str) -> None:
    match how:
        case "start":
            await consumer.start_job(job)
        case "complete":
            await consumer.complete_job(job)
        case "fail":
            await consumer.fail_job(job, "no", retry_in=0)
        case "release":
            await consumer.release_job(job)


async def test_a_token_settles_its_own_job_alone(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_batch(jobs(0, 1))
    first, second = await consumer.claim_jobs(2)
    crossed = first.model_copy(update={"id": second.id})
    before = await contents(queue)
    with pytest.raises(LeaseLost):
        await consumer.complete_job(crossed)
    assert await contents(queue) == before


@pytest.mark.parametrize("held", [True, False])
async def test_an_outcome_that_there_is_not_is_refused_before_anything_is_settled(
    queue: Queue, producer: PgQueuerProducer, consumer: PgQueuerConsumer, held: bool
) -> None:
    await producer.enqueue_batch(jobs(0, 1))
    ids, tokens = [], []
    for job in await consumer.claim_jobs(2):
        ids.append(id_of(job))
        tokens.append(job.__dict__[LEASE_TOKEN] if held else uuid4())
    before = await contents(queue)
    settle = SettleArguments(ids, tokens, ["completed", "mislaid"], None, None, None, True)
    with pytest.raises(InvalidJob, match='an attempt ends completed, failed, business or released, not "mislaid"'):
        await producer._call(lambda connection: producer._calls.settle(connection, settle))
    assert await contents(queue) == before
