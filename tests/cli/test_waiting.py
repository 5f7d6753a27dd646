"""`casare jobs wait` and `follow`: what they print, and that a script learns from the exit code how it went."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from tests.cli.conftest import PROGRAM, ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare, Start

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
async def robot(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, "robot-1") as opened:
        yield opened


async def test_wait_for_a_result(casare: Casare, producer: PgQueuerProducer, robot: PgQueuerConsumer) -> None:
    job_id = str(await producer.enqueue_job(JobModel(workflow="w")))
    waiting = asyncio.create_task(casare("jobs", "wait", job_id, "--timeout", "20"))
    await robot.complete_job((await robot.claim_jobs(1))[0], {"total": 12, "who": "\x1b[31mbüro"})
    printed = await waiting
    assert printed.json() == {"total": 12, "who": "\x1b[31mbüro"}
    assert printed.out.isascii()
    whole = (await casare("jobs", "wait", job_id, "--json")).json()
    assert (whole["id"], whole["status"], whole["result"]["total"]) == (job_id, "COMPLETED", 12)


async def test_exit_codes(casare: Casare, producer: PgQueuerProducer, robot: PgQueuerConsumer) -> None:
    failed = str(await producer.enqueue_job(JobModel(workflow="w", max_retries=1)))
    await robot.fail_job((await robot.claim_jobs(1))[0], "the ERP was down\n\x1b[31m")
    outcome = await casare("jobs", "wait", failed)
    assert (outcome.code, outcome.out) == (5, "")
    assert outcome.err == f"casare: job {failed} is FAILED (exhausted): the ERP was down\\n\\x1b[31m\n"
    assert json.loads((await casare("jobs", "wait", failed, "--json")).out)["status"] == "FAILED"
    cancelled = await producer.enqueue_job(JobModel(workflow="w"))
    await producer.cancel_job(cancelled)
    assert (await casare("jobs", "wait", str(cancelled))).code == 6
    assert (await casare("jobs", "follow", str(cancelled))).code == 6
    waiting = await producer.enqueue_job(JobModel(workflow="w"))
    late = await casare("jobs", "wait", str(waiting), "--timeout", "0.1")
    assert late.complaint(7) == f"job {waiting} has not ended within 0.1 s"


async def test_follow(start: Start, producer: PgQueuerProducer, robot: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", max_retries=1))
    process = await start("jobs", "follow", str(job_id), "--json")
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    assert (first["event"], first["status"], first["job_id"]) == ("snapshot", "PENDING", str(job_id))
    job = (await robot.claim_jobs(1))[0]
    claimed = json.loads(await process.stdout.readline())
    assert (claimed["status"], claimed["attempt"]) == ("CLAIMED", 1)
    await robot.fail_job(job, "e")
    outcome = await ended(process)
    assert outcome.code == 5
    assert json.loads(outcome.out.splitlines()[-1])["status"] == "FAILED"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells nobody that the reader of a pipe is gone")
async def test_follow_ends_when_nobody_reads_any_more(producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    assert PROGRAM is not None
    with subprocess.Popen([PROGRAM, "jobs", "follow", str(job_id)], stdout=subprocess.PIPE) as process:  # noqa: ASYNC220 - asyncio's has no way to close the pipe
        try:
            assert process.stdout is not None
            assert b"snapshot" in await asyncio.to_thread(process.stdout.readline)
            process.stdout.close()
            assert await asyncio.to_thread(process.wait, 10) == 141
        finally:
            process.kill()


async def test_follow_for_people(casare: Casare, producer: PgQueuerProducer, robot: PgQueuerConsumer) -> None:
    job_id = str(await producer.enqueue_job(JobModel(workflow="w")))
    await robot.complete_job((await robot.claim_jobs(1))[0])
    (line,) = (await casare("jobs", "follow", job_id)).done().splitlines()
    assert line.split()[2:] == ["snapshot", "COMPLETED", "attempt", "1", "robot-1"]
