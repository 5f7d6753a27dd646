"""The queue in memory beside what the conformance suite asks: it warns, keeps to its process, is shared by threads."""

from __future__ import annotations

import asyncio
import inspect
import logging
import multiprocessing
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import ConfigError, JobModel, JobNotFound, JobStatus, QueueConfig
from casare_rpa.infrastructure.queue.calls import Calls
from casare_rpa.orchestrator import JobQueue
from casare_rpa.orchestrator.job_queue import WARNING
from casare_rpa.orchestrator.memory.calls import MemoryCalls
from tests.infrastructure.helpers import claim, jobs
from tests.waiting import eventually

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from uuid import UUID


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue(QueueConfig(shutdown_grace=5, outage_patience=1))


def test_no_call_is_left_to_postgresql() -> None:
    calls = {name for name, _ in inspect.getmembers(Calls, inspect.isfunction) if not name.startswith("_")}
    assert calls
    assert calls <= set(vars(MemoryCalls))
    for name in calls:
        theirs, ours = (inspect.signature(getattr(kind, name)) for kind in (Calls, MemoryCalls))
        assert list(theirs.parameters) == list(ours.parameters), name


def test_making_one_says_loudly_that_it_forgets(caplog: pytest.LogCaptureFixture) -> None:
    queue = JobQueue()
    queue.producer()
    queue.consumer("r")
    [record] = caplog.records
    assert (record.name, record.levelno, record.message) == ("casare_rpa", logging.WARNING, WARNING)
    assert "every job is forgotten when this process ends" in WARNING
    assert "this process only" in WARNING


async def test_two_queues_share_nothing(queue: JobQueue) -> None:
    async with queue.producer() as producer, JobQueue().producer() as other:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        assert await other.get_queue_depth() == 0
        with pytest.raises(JobNotFound):
            await other.get_job(job_id)


async def test_what_is_left_of_a_closed_producer_is_there_for_the_next(queue: JobQueue) -> None:
    async with queue.producer() as producer:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
    async with queue.producer() as producer:
        assert await producer.get_job_status(job_id) is JobStatus.PENDING


async def test_a_callers_transaction_is_refused_and_nothing_is_enqueued(queue: JobQueue) -> None:
    async with queue.producer() as producer:
        with pytest.raises(ConfigError, match="takes part in no transaction: leave out connection="):
            await producer.enqueue_job(JobModel(workflow="w"), connection=object())
        assert await producer.get_queue_depth() == 0


async def test_the_health_says_that_it_is_in_memory(queue: JobQueue) -> None:
    health = await queue.producer().health_check()
    assert (health.ok, health.server_version) == (True, "in memory")


async def test_threads_with_event_loops_of_their_own_share_it(queue: JobQueue) -> None:
    done: set[int] = set()

    async def work(stop: threading.Event) -> None:
        async def handler(job: JobModel) -> None:
            done.add(job.payload["n"])

        async with queue.consumer(threading.current_thread().name) as consumer:
            running = asyncio.create_task(consumer.run(handler))
            await asyncio.to_thread(stop.wait)
            await consumer.stop()
            await running

    stop = threading.Event()
    robots = [threading.Thread(target=lambda: asyncio.run(work(stop)), name=f"robot-{n}") for n in range(3)]
    for robot in robots:
        robot.start()
    try:
        async with queue.producer() as producer:
            ids = await producer.enqueue_batch(jobs(*range(100)))
            for job_id in ids:
                assert (await producer.wait_for(job_id, timeout=10)).attempt == 1
    finally:
        stop.set()
        for robot in robots:
            await asyncio.to_thread(robot.join)
    assert done == set(range(100))


async def test_programs_that_are_not_async_share_it(queue: JobQueue) -> None:
    def enqueue() -> UUID:
        with queue.sync_producer() as producer:
            return producer.enqueue_job(JobModel(workflow="w"))

    job_id = await asyncio.to_thread(enqueue)
    async with queue.consumer("r") as consumer:
        assert (await claim(consumer)).id == job_id


async def test_robots_are_woken_and_do_not_poll(queue: JobQueue) -> None:
    woken = asyncio.Event()

    async def handler(_: JobModel) -> None:
        woken.set()

    lazy = queue.config.model_copy(update={"poll_interval": 60})
    async with queue.producer() as producer, queue.consumer("r", config=lazy) as consumer:
        running = asyncio.create_task(consumer.run(handler))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        began = time.monotonic()
        await producer.enqueue_job(JobModel(workflow="w"))
        await asyncio.wait_for(woken.wait(), 5)
        assert time.monotonic() - began < 1
        await consumer.stop()
        await running


async def test_nothing_runs_once_everybody_has_closed_it(queue: JobQueue) -> None:
    def keepers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "casare-job-queue"]

    async with queue.producer(), queue.consumer("r"):
        assert keepers()
    await eventually(lambda: not keepers())
    async with queue.producer() as producer:
        assert keepers()
        await producer.enqueue_job(JobModel(workflow="w"))
    await eventually(lambda: not keepers())


async def test_a_fault_of_one_robot_costs_no_other_its_lease(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("casare_rpa.orchestrator.memory.keeper.AFTER_A_FAULT", 0.01)
    async with queue.producer() as producer, queue.consumer("broken") as broken, queue.consumer("r") as consumer:
        await producer.enqueue_job(JobModel(workflow="w", visibility_timeout=0.4))

        def fail() -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(broken._lifeline, "beat", fail)
        broken._lifeline.beat_now()
        await eventually(lambda: any("are tried again" in record.message for record in caplog.records))
        monkeypatch.undo()
        job = await claim(consumer)
        beats = consumer._lifeline.beats
        await eventually(lambda: consumer._lifeline.beats >= beats + 2)
        await consumer.complete_job(job)


async def test_jobs_that_have_gone_leave_nothing_behind(queue: JobQueue) -> None:
    now = queue.clock.freeze()
    async with queue.producer() as producer:
        await producer.enqueue_job(JobModel(workflow="w"))
        later = [JobModel(workflow="w", run_at=now + timedelta(days=days)) for days in (100, 200, 300)]
        for job_id in await producer.enqueue_batch([*jobs(0, 1), *later]):
            await producer.cancel_job(job_id)
        kept = await producer.enqueue_job(JobModel(workflow="w", run_at=now + timedelta(days=400)))
        queue.clock.advance(91 * 86400)
    store = queue._memory.store
    [route] = store.routes_of(queue.config.queue_name)
    assert [entry[-1].id for entry in route.deferred] == [kept]
    assert (len(route.ready), len(store.jobs), len(store.history), len(store.actions)) == (1, 2, 0, 0)


def _enqueue_in_a_fork(queue: JobQueue, answer: Connection) -> None:
    async def enqueue() -> None:
        async with queue.producer() as producer:
            await producer.enqueue_job(JobModel(workflow="w"))

    try:
        asyncio.run(enqueue())
    except ConfigError as error:
        answer.send(str(error))
    else:
        answer.send("enqueued into a copy that nobody sees")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_another_process_is_refused(queue: JobQueue) -> None:
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_enqueue_in_a_fork, args=(queue, theirs))
    child.start()
    try:
        assert ours.poll(20)
        assert "serves the process that made it" in ours.recv()
    finally:
        child.join()


# The clock


async def test_a_stopped_clock_is_moved_and_brings_what_the_time_brings(queue: JobQueue) -> None:
    now = queue.clock.freeze(datetime(2030, 1, 1, tzinfo=UTC))
    async with queue.producer() as producer, queue.consumer("r") as consumer:
        job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=now + timedelta(seconds=60)))
        assert (await producer.get_job(job_id)).created_at == now
        assert queue.clock.advance(59) == now + timedelta(seconds=59)
        assert await consumer.claim_job() is None
        queue.clock.advance(1)
        await consumer.fail_job(await claim(consumer), "no", retry_in=100)
        queue.clock.advance(100)
        assert (await claim(consumer)).attempt == 2
        queue.clock.advance(31)
        assert (await producer.get_job(job_id)).crashes == 1
    queue.clock.unfreeze()
    assert abs(queue.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_robot_that_waits_hears_of_what_the_time_brings(queue: JobQueue) -> None:
    now = queue.clock.freeze()
    lazy = queue.config.model_copy(update={"poll_interval": 60})
    async with queue.producer() as producer, queue.consumer("r", config=lazy) as consumer:
        running = asyncio.create_task(consumer.run(_nothing))
        await eventually(lambda: consumer._lifeline.hears_of_jobs)
        job_id = await producer.enqueue_job(JobModel(workflow="w", run_at=now + timedelta(hours=1)))
        queue.clock.advance(3600)
        assert (await producer.wait_for(job_id, timeout=4)).status is JobStatus.COMPLETED
        await consumer.stop()
        await running


async def test_a_clock_that_goes_cannot_be_moved(queue: JobQueue) -> None:
    with pytest.raises(ConfigError, match="only a stopped clock can be moved"):
        queue.clock.advance(1)


async def test_history_is_kept_as_long_as_it_is_told_to() -> None:
    queue = JobQueue(retention=timedelta(hours=1))
    queue.clock.freeze()
    async with queue.producer() as producer, queue.consumer("r") as consumer:

        async def complete() -> UUID:
            job_id = await producer.enqueue_job(JobModel(workflow="w", reference=str(queue.clock.now())))
            await consumer.complete_job(await claim(consumer))
            return job_id

        first = await complete()
        queue.clock.advance(1800)
        second = await complete()
        queue.clock.advance(1801)
        with pytest.raises(JobNotFound):
            await producer.get_job(first)
        assert await producer.get_job_status(second) is JobStatus.COMPLETED
    store = queue._memory.store
    assert (len(store.references), len(store.history)) == (1, 1)


async def _nothing(_: JobModel) -> None:
    """A handler."""
