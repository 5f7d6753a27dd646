"""A living robot keeps its leases whatever happens to its event loop or to its links; a dead or lonely one loses them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerProducer, QueueConfig
from tests.faults.fleet import Ledger, robots
from tests.waiting import eventually

TIMEOUT = 2.0
"""The visibility timeout, in seconds."""


@pytest.fixture
def short(config: QueueConfig) -> QueueConfig:
    return config.model_copy(update={"visibility_timeout": TIMEOUT, "poll_interval": 0.1})


async def has_status(producer: PgQueuerProducer, job_id, status: JobStatus) -> bool:
    return await producer.get_job_status(job_id) is status


@pytest.mark.blocks_the_loop
async def test_a_handler_that_blocks_the_event_loop_keeps_its_lease(short, producer):
    """A rival in a thread of its own would take the job the moment its lease ran out."""
    rival, enough = Ledger(), threading.Event()

    async def rivalry() -> None:
        async with robots(short, 1, rival):
            await asyncio.to_thread(enough.wait)

    async def handler(_: JobModel) -> None:
        thread.start()
        time.sleep(2 * TIMEOUT)  # noqa: ASYNC251 - what a handler must not do and does

    thread = threading.Thread(target=asyncio.run, args=(rivalry(),))
    ledger = Ledger(handler)
    async with robots(short, 1, ledger):
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(partial(has_status, producer, job_id, JobStatus.COMPLETED))
        enough.set()
        await asyncio.to_thread(thread.join)

    assert (ledger.handled[job_id], rival.handled[job_id]) == (1, 0)
    assert [a.outcome for a in await producer.get_attempts(job_id)] == ["completed"]


@pytest.mark.parametrize("function", ["heartbeat", "upkeep", "wait_for_jobs"])
async def test_a_half_open_lifeline_is_replaced_before_the_lease_runs_out(proxy, producer, short, function):
    """The link is dead and says so to nobody. A rival takes whatever runs out."""
    asked = asyncio.Event()
    through = short.model_copy(update={"database_url": proxy.url})
    lost = proxy.lose_reply(function, cut=False) if function == "wait_for_jobs" else None

    async def handler(_: JobModel) -> None:
        nonlocal lost
        lost = lost or proxy.lose_reply(function, cut=False)
        await lost.happened.wait()
        await asyncio.sleep(1.5 * TIMEOUT)
        asked.set()

    ledger, rival = Ledger(handler), Ledger()
    async with robots(through, 1, ledger):
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(lambda: ledger.handled[job_id])
        async with robots(short, 1, rival):
            async with asyncio.timeout(15):
                await asked.wait()
            await eventually(partial(has_status, producer, job_id, JobStatus.COMPLETED))

    assert (ledger.handled[job_id], rival.handled[job_id]) == (1, 0)


async def test_a_robot_cut_off_from_a_database_that_lives_loses_its_job_to_another(proxy, producer, short):
    """Its handler is cancelled when it hears of that, and what it says afterwards changes nothing."""
    ended = asyncio.Event()

    async def forever(_: JobModel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    lonely, other = Ledger(forever), Ledger()
    async with robots(short.model_copy(update={"database_url": proxy.url}), 1, lonely):
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(lambda: lonely.handled[job_id])
        proxy.refuses = True
        proxy.cut()
        async with robots(short, 1, other):
            await eventually(partial(has_status, producer, job_id, JobStatus.COMPLETED), TIMEOUT + 5)
            assert not ended.is_set()
            proxy.refuses = False
            await asyncio.wait_for(ended.wait(), 10)

    assert [(a.robot, a.outcome) for a in await producer.get_attempts(job_id)] == [
        ("robot-0", "expired"),
        ("robot-0", "completed"),
    ]
    assert (await producer.get_job(job_id)).crashes == 1


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
async def test_the_job_of_a_killed_robot_runs_elsewhere_soon(short, producer):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    program = Path(__file__).with_name("robot_program.py")
    robot = await asyncio.create_subprocess_exec(
        sys.executable, program, short.model_dump_json(), stdout=asyncio.subprocess.PIPE
    )
    assert robot.stdout is not None
    assert (await robot.stdout.readline()).decode().strip() == str(job_id)

    robot.send_signal(signal.SIGKILL)
    await robot.wait()
    killed = time.monotonic()
    ledger = Ledger()
    async with robots(short, 1, ledger):
        await eventually(lambda: ledger.handled[job_id], TIMEOUT + 5)
        assert time.monotonic() - killed < TIMEOUT + 5
        await eventually(partial(has_status, producer, job_id, JobStatus.COMPLETED))
    assert [a.outcome for a in await producer.get_attempts(job_id)] == ["expired", "completed"]
