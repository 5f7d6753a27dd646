"""`casare work`: a robot as a process, working on real jobs and stopped by real signals."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import JobModel
from tests.cli.conftest import ended
from tests.waiting import eventually

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from uuid import UUID

    from casare_rpa.infrastructure.queue import PgQueuerProducer
    from tests.cli.conftest import Start

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGTERM cannot be sent to one process")


async def ready(process: Process) -> str:
    """Return the line that a robot prints when it is ready."""
    assert process.stdout is not None
    async with asyncio.timeout(15):
        return (await process.stdout.readline()).decode()


async def stopped(process: Process) -> tuple[int, str]:
    """Stop a robot and return its exit code and what it printed to stderr."""
    process.send_signal(signal.SIGTERM)
    outcome = await ended(process)
    assert outcome.out == ""
    return outcome.code, outcome.err


async def running(producer: PgQueuerProducer, job_id: UUID) -> None:
    await eventually(lambda: _has_status(producer, job_id, "RUNNING"), 15, "the job runs")


async def _has_status(producer: PgQueuerProducer, job_id: UUID, status: str) -> bool:
    return (await producer.get_job_status(job_id)).value == status


@pytest.mark.parametrize(
    ("function", "status", "left"),
    [
        ("asynchronous", "COMPLETED", {"doubled": 14}),
        ("synchronous", "COMPLETED", {"doubled": 14}),
        ("refuse", "FAILED", "BusinessError: bad data \x1b[31m"),
    ],
)
async def test_functions(
    start: Start, database: str, producer: PgQueuerProducer, function: str, status: str, left: Any
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", payload={"n": 7}))
    process = await start("work", f"robots:{function}", cwd=HERE)
    await ready(process)
    await eventually(lambda: _has_status(producer, job_id, status), 15)
    job = await producer.get_job(job_id)
    assert (job.result or job.error) == left
    assert (await stopped(process))[0] == 0


async def test_the_line_when_ready(start: Start, database: str) -> None:
    process = await start("work", "json:dumps", "--robot-id", "r2", "--queue", "q", "--concurrency", "1")
    assert await ready(process) == "casare: the robot r2 works on the queue q, 1 job at once\n"
    code, err = await stopped(process)
    assert code == 0
    assert err.startswith("casare: stopping: what runs gets 30 s to end")


async def test_a_robot_has_the_hosts_name_and_takes_what_fits_it(
    start: Start, database: str, producer: PgQueuerProducer
) -> None:
    wanted = {
        "capabilities": ["excel", "sap"],
        "labels": {"site": "berlin"},
        "environment": "prod",
        "pool": "blue",
    }
    fits, other = await producer.enqueue_batch(
        [
            JobModel(workflow="w", payload={"n": 1}, requirements=wanted),
            JobModel(workflow="w", payload={"n": 1}, priority=20, requirements={"pool": "red"}),
        ]
    )
    process = await start(
        *("work", "robots:asynchronous", "--capability", "sap", "--capability", "excel", "--label", "site=berlin"),
        *("--environment", "prod", "--pool", "blue"),
        cwd=HERE,
    )
    line = await ready(process)
    await eventually(lambda: _has_status(producer, fits, "COMPLETED"), 15)
    assert await producer.get_job_status(other) == "PENDING"
    robot = (await producer.get_job(fits)).claimed_by
    assert robot is not None
    assert robot.endswith(f"-{process.pid}")
    assert f"the robot {robot} works on" in line
    assert (await stopped(process))[0] == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("function", ["hang", "hang_in_thread"])
async def test_what_does_not_end_within_the_grace_is_released(
    start: Start, database: str, producer: PgQueuerProducer, stop: signal.Signals, function: str
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    process = await start("work", f"robots:{function}", cwd=HERE, PGQUEUER_SHUTDOWN_GRACE="0.1")
    await ready(process)
    await running(producer, job_id)
    process.send_signal(stop)
    assert (await ended(process)).code == 0
    job = await producer.get_job(job_id)
    assert (job.status, job.attempt, job.claimed_by) == ("PENDING", 0, None)
    assert [attempt.outcome for attempt in await producer.get_attempts(job_id)] == ["released"]


async def test_what_ends_within_the_grace_is_completed(
    start: Start, database: str, producer: PgQueuerProducer, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    job_id = await producer.enqueue_job(JobModel(workflow="w", payload={"file": str(told)}))
    process = await start("work", "robots:finish_when_told", cwd=HERE)
    await ready(process)
    await eventually(tmp_path.joinpath("told.begun").exists)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert (await process.stderr.readline()).startswith(b"casare: stopping")
    later = await producer.enqueue_job(JobModel(workflow="w", payload={"file": str(told)}))
    told.touch()
    assert (await ended(process)).code == 0
    assert (await producer.get_job(job_id)).result == "told"
    assert (await producer.get_job(later)).attempt == 0


@pytest.mark.parametrize("function", ["hang", "hang_in_thread"])
async def test_a_second_signal_releases_everything_at_once(
    start: Start, database: str, producer: PgQueuerProducer, function: str
) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
    process = await start("work", f"robots:{function}", cwd=HERE, PGQUEUER_SHUTDOWN_GRACE="1000")
    await ready(process)
    for job_id in ids:
        await running(producer, job_id)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert (await process.stderr.readline()).startswith(b"casare: stopping")
    process.send_signal(signal.SIGTERM)
    assert (await ended(process)).code == 0
    for job_id in ids:
        job = await producer.get_job(job_id)
        assert (job.status, job.attempt) == ("PENDING", 0)


async def test_cancelling_reaches_the_function(start: Start, database: str, producer: PgQueuerProducer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    process = await start("work", "robots:hang", cwd=HERE)
    await ready(process)
    await running(producer, job_id)
    await producer.cancel_job(job_id)
    await eventually(lambda: _has_status(producer, job_id, "CANCELLED"), 15)
    assert (await stopped(process))[0] == 0


async def test_no_database(start: Start, monkeypatch: pytest.MonkeyPatch, empty_database_url: str) -> None:
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", empty_database_url)
    process = await start("work", "json:dumps")
    assert (await ended(process)).complaint(3).endswith("run `casare migrate`")
