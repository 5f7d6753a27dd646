"""The producer for programs that are not async."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    ConfigError,
    DatabaseUnavailable,
    DuplicateReference,
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    PgQueuerSyncProducer,
    QueueConfig,
    WaitTimedOut,
)


def a_job(**fields) -> JobModel:
    return JobModel(workflow="w", **fields)


@pytest.fixture
def producer(config):
    with PgQueuerSyncProducer(config) as opened:
        yield opened


def work_off(config, jobs=1, *, fail=False):
    """Let a robot work off so many jobs."""

    async def work() -> None:
        async with PgQueuerConsumer(config, "robot") as robot:
            claimed = await robot.claim_jobs(jobs)
            assert len(claimed) == jobs
            for job in claimed:
                await (robot.fail_job(job, "bad", business=True) if fail else robot.complete_job(job, job.payload))

    asyncio.run(work())


def test_every_call_does_what_its_async_twin_does(producer, config):
    assert producer.health_check().ok
    job_id = producer.enqueue_job(a_job(payload={"n": 1}, reference="R-1"))
    with pytest.raises(DuplicateReference) as taken:
        producer.enqueue_job(a_job(reference="R-1"))
    assert taken.value.job_id == job_id
    assert producer.get_queue_depth() == 1
    work_off(config)

    assert producer.wait_for(job_id, timeout=10).result == {"n": 1}
    assert producer.get_job_status(job_id) is JobStatus.COMPLETED
    assert [attempt.outcome for attempt in producer.get_attempts(str(job_id))] == ["completed"]

    first, second = producer.enqueue_batch([a_job(), a_job()])
    [duplicate] = producer.enqueue_batch([a_job(reference="R-1")], mode="each")
    assert isinstance(duplicate.error, DuplicateReference)
    assert {job.id for job in producer.list_jobs(JobFilter(status=JobStatus.PENDING), limit=2)} == {first, second}
    assert producer.cancel_job(first)
    work_off(config, fail=True)
    assert producer.get_job(second).dead_letter_reason == "business"
    assert producer.redrive_jobs([second]) == [second]
    with pytest.raises(WaitTimedOut):
        producer.wait_for(second, timeout=0.05)
    with pytest.raises(JobNotFound):
        producer.get_job(uuid4())


def test_the_calls_of_operators_do_what_their_async_twins_do(producer, config):
    first, second = producer.enqueue_batch([a_job(), a_job()])
    work_off(config, 2, fail=True)
    dead, one = JobFilter(status=JobStatus.FAILED), JobFilter(ids=[first])
    assert {job.id for job in producer.list_dead_letters(dead)} == {first, second}
    assert [group.count for group in producer.group_dead_letters()] == [2]
    assert producer.assign_dead_letters(one, "ann").ids == [first]
    producer.edit_payload(first, {"n": 2}, comment="was missing")
    producer.comment_job(first, "again")
    assert [act.action for act in producer.get_actions(first)] == ["assigned", "edited", "commented"]
    assert producer.redrive_dead_letters(one, dry_run=True).count == 1
    assert producer.redrive_dead_letters(one).ids == [first]
    assert producer.set_priority(one, 9).count == 1
    assert producer.count_jobs(one).count == 1
    assert (producer.get_job(first).payload, producer.get_job(first).priority) == ({"n": 2}, 9)
    assert producer.cancel_jobs(one).ids == [first]
    assert producer.retry_jobs(JobFilter(ids=[second])).ids == [second]
    work_off(config, fail=True)
    assert producer.resolve_dead_letters(JobFilter(ids=[second]), "done by hand").count == 1
    producer.enqueue_job(a_job())
    work_off(config, fail=True)
    assert producer.purge_dead_letters(JobFilter(workflow="w")).count == 1

    producer.pause_queue()
    assert producer.get_queue().paused_at is not None
    producer.resume_queue()
    assert [queue.paused_at for queue in producer.list_queues()] == [None]
    producer.enqueue_job(a_job())
    assert producer.purge_queue() == 1


def test_its_methods_have_the_arguments_of_their_async_twins():
    for name, method in inspect.getmembers(PgQueuerSyncProducer, inspect.isfunction):
        if name.startswith("_"):
            continue
        twin = inspect.signature(getattr(PgQueuerProducer, name)).parameters
        assert list(inspect.signature(method).parameters) == [p for p in twin if p != "connection"], name
        assert method.__doc__, name


def test_many_threads_share_one(producer):
    with ThreadPoolExecutor(20) as threads:
        ids = list(threads.map(lambda n: producer.enqueue_job(a_job(payload={"n": n})), range(200)))
        found = list(threads.map(producer.get_job, ids))
    assert [job.payload["n"] for job in found] == list(range(200))


def test_one_that_is_not_open_says_so(config):
    producer = PgQueuerSyncProducer(config)
    with pytest.raises(ConfigError, match="not open"):
        producer.get_queue_depth()
    with producer:
        assert producer.get_queue_depth() == 0
        with pytest.raises(ConfigError, match="open already"):
            producer.__enter__()
    with pytest.raises(ConfigError, match="not open"):
        producer.get_queue_depth()
    producer.close()
    with producer:
        assert producer.get_queue_depth() == 0


def test_what_cannot_be_opened_leaves_no_thread_behind():
    before = threading.active_count()
    nowhere = QueueConfig(database_url="postgresql://nobody@127.0.0.1:1/nothing", outage_patience=0)
    with pytest.raises(DatabaseUnavailable), PgQueuerSyncProducer(nowhere):
        pass
    assert threading.active_count() == before


def test_closing_ends_the_calls_of_other_threads_with_an_error(config):
    producer = PgQueuerSyncProducer(config)
    before = threading.active_count()
    with producer, ThreadPoolExecutor(1) as threads:
        job_id = producer.enqueue_job(a_job())
        waiting = threads.submit(producer.wait_for, job_id)
        with pytest.raises(WaitTimedOut):
            producer.wait_for(job_id, timeout=0.05)
        producer.close()
        with pytest.raises(ConfigError, match="closed"):
            waiting.result(10)
    assert threading.active_count() == before


async def test_in_an_event_loop_the_async_one_is_recommended(config):
    producer = PgQueuerSyncProducer(config)
    with pytest.raises(ConfigError, match="use PgQueuerProducer and await it"):
        producer.__enter__()


def run(code: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"from casare_rpa.infrastructure.queue import *\nimport os, sys, threading, time\n{code}",
        ],
        env=os.environ | {"PGQUEUER_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_after_a_fork_it_says_what_to_do(database_url):
    done = run(
        """
producer = PgQueuerSyncProducer(QueueConfig.from_env())
with producer:
    child = os.fork()
    if child == 0:
        try:
            producer.get_queue_depth()
        except ConfigError as error:
            print(error, flush=True)
        producer.close()
        with producer:
            print("depth", producer.get_queue_depth(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print("depth", producer.get_queue_depth())
""",
        database_url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said, *depths = done.stdout.splitlines()
    assert "cannot be used after a fork" in said
    assert depths == ["depth 0", "depth 0"]


def test_a_program_that_never_closes_it_ends_all_the_same(database_url):
    done = run(
        "producer = PgQueuerSyncProducer(QueueConfig.from_env()).__enter__()\n"
        "print(producer.enqueue_job(JobModel(workflow='w')))",
        database_url,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_interrupts_a_call_and_leaves_cleanly(database_url):
    code = """
from casare_rpa.infrastructure.queue import *
with PgQueuerSyncProducer(QueueConfig.from_env()) as producer:
    job_id = producer.enqueue_job(JobModel(workflow="w"))
    try:
        print(job_id, flush=True)
        producer.wait_for(job_id)
    except KeyboardInterrupt:
        print(producer.get_job_status(job_id), flush=True)
        raise
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PGQUEUER_DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert out == "PENDING\n"
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert "never retrieved" not in error
    assert "never awaited" not in error
