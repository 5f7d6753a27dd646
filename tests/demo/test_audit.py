"""The handler as robots run it: real jobs in a real queue."""

import asyncio
import contextlib
import time
from threading import Event

import pytest

from casare_rpa.demo.audit import Order, audit, audit_distribution
from casare_rpa.demo.broken import make_broken, mend
from casare_rpa.infrastructure.queue import BusinessError, JobModel, JobStatus, PgQueuerConsumer
from tests.demo.distribution import Distribution
from tests.waiting import eventually


@contextlib.asynccontextmanager
async def robot(config):
    async with PgQueuerConsumer(config, "robot-1") as consumer:
        working = asyncio.create_task(consumer.run(audit_distribution))
        yield
        await consumer.stop()
        await working


def order(metadata, root, **more):
    return JobModel(workflow="audit", payload={"metadata": str(metadata), "root": str(root), **more})


async def test_result_of_a_job(config, producer, tmp_path):
    sample = Distribution(tmp_path).write()
    job_id = await producer.enqueue_job(order(sample.metadata, sample.root))
    async with robot(config):
        await eventually(lambda: ended(producer, job_id))
    job = await producer.get_job(job_id)
    assert job.status == JobStatus.COMPLETED
    assert job.result == sample.audit()


async def test_broken_distribution_is_a_dead_letter_at_once_and_completes_once_mended(config, producer, tmp_path):
    broken = make_broken(tmp_path)
    job_id = await producer.enqueue_job(order(broken.metadata, broken.root))
    async with robot(config):
        await eventually(lambda: ended(producer, job_id))
        job = await producer.get_job(job_id)
        assert (job.status, job.dead_letter_reason, job.attempt) == (JobStatus.FAILED, "business", 1)
        assert "casare_demo_broken.py was changed" in job.error
        mend(broken)
        assert await producer.redrive_jobs([job_id]) == [job_id]
        await eventually(lambda: ended(producer, job_id))
    assert await producer.get_job_status(job_id) == JobStatus.COMPLETED


async def test_cancelled_while_it_takes_its_time(config, producer, tmp_path):
    sample = Distribution(tmp_path).write()
    job_id = await producer.enqueue_job(order(sample.metadata, sample.root, at_least_seconds=600))
    async with robot(config):
        await eventually(lambda: runs(producer, job_id))
        assert await producer.cancel_job(job_id)
        await eventually(lambda: ended(producer, job_id))
    assert await producer.get_job_status(job_id) == JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "metadata"),
        ({"metadata": "/a"}, "root"),
        ({"metadata": "/a", "root": 7}, "root"),
        ({"metadata": "/a", "root": "/a", "at_least_seconds": -1}, "at_least_seconds"),
        ({"metadata": "/a", "root": "/a", "extra": 1}, "extra"),
    ],
)
async def test_payload_that_is_no_order(payload, field):
    with pytest.raises(BusinessError, match=f"the payload is no audit: {field}"):
        await audit_distribution(JobModel(workflow="audit", payload=payload))


def test_takes_its_time(tmp_path):
    sample = Distribution(tmp_path).write()
    began = time.monotonic()
    audit(Order(metadata=sample.metadata, root=sample.root, at_least_seconds=0.2), Event())
    assert 0.2 <= time.monotonic() - began < 2


def test_stops_when_told(tmp_path):
    sample = Distribution(tmp_path).write()
    stop = Event()
    stop.set()
    with pytest.raises(InterruptedError):
        audit(Order(metadata=sample.metadata, root=sample.root), stop)


async def ended(producer, job_id):
    return (await producer.get_job_status(job_id)).is_final


async def runs(producer, job_id):
    return await producer.get_job_status(job_id) == JobStatus.RUNNING
