"""Every program in examples/ runs as its first lines say, against a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobFilter, JobModel, JobStatus
from tests.examples.blocks import ROOT
from tests.examples.shell import terminal
from tests.examples.test_drivers import DRIVERS
from tests.waiting import eventually

EXAMPLES = ROOT / "examples"

SAYS = {
    "enqueue_and_work.py": [
        "3 numbers: COMPLETED, {'sum': 3}",
        "10 numbers: COMPLETED, {'sum': 45}",
        "100 numbers: COMPLETED, {'sum': 4950}",
    ],
    "transaction.py": ["rolled back: order 2 is not in stock", "1 order, 1 job"],
    "wait_for_result.py": [
        "2: 4",
        "3: 9",
        "-1: BusinessError: only what is not negative",
        "4: 16",
        "followed to its end: COMPLETED",
    ],
    "business_errors.py": [
        "pen: COMPLETED, attempts ['failed', 'completed'], reason None",
        "ink: FAILED, attempts ['business'], reason business",
        "ink: COMPLETED, attempts ['business', 'completed'], reason None",
    ],
}
RUN_OTHERWISE = {"database.py", "handlers.py", "plain_sql.sql", "sync_producer.py", *DRIVERS}


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == SAYS.keys() | RUN_OTHERWISE


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_what_it_should(name, empty_database_url):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ | {"PGQUEUER_DATABASE_URL": empty_database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", SAYS[name])


async def test_the_sql_enqueues_two_jobs_and_looks_at_them(connection, producer):
    statements = (EXAMPLES / "plain_sql.sql").read_text(encoding="utf-8")
    await connection.execute(statements)
    ship, report = sorted(await producer.list_jobs(JobFilter(queue_name="shipping")), key=lambda job: job.created_at)
    assert (ship.payload, ship.priority, ship.reference) == ({"order": 7}, 10, "order-7")
    assert (report.max_retries, report.requirements) == (3, {"capabilities": ["excel"]})
    assert report.run_at > ship.created_at
    with pytest.raises(asyncpg.PostgresError, match='the reference "order-7" is taken by job'):
        await connection.execute(statements)
    await connection.execute("ROLLBACK")


async def test_both_kinds_of_handlers_work(tmp_path, database_url, producer):
    (tmp_path / "handlers.py").write_bytes((EXAMPLES / "handlers.py").read_bytes())
    invoice = await producer.enqueue_job(JobModel(workflow="invoice", payload={"amount": 100}, queue_name="a"))
    unknown = await producer.enqueue_job(JobModel(workflow="invoice", queue_name="a"))
    report = await producer.enqueue_job(JobModel(workflow="report", payload={"pages": 3}, queue_name="b"))

    async def all_ended():
        return all([(await producer.get_job_status(job_id)).is_final for job_id in (invoice, unknown, report)])

    with terminal(tmp_path, database_url) as shell:
        robots = ("casare work handlers:invoice --queue a", "casare work handlers:report --queue b")
        await asyncio.gather(*(asyncio.to_thread(shell.start_robot, robot) for robot in robots))
        await eventually(all_ended)
        await asyncio.to_thread(shell.close)
    assert (await producer.get_job(invoice)).result == {"gross": 119.0}
    assert (await producer.get_job(unknown)).status is JobStatus.FAILED
    assert (await producer.get_job(unknown)).error == "BusinessError: the payload has no amount"
    assert (await producer.get_job(report)).result == {"pages": 3, "attempt": 1}


def test_the_database_serves_until_it_is_stopped():
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "database.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.partition("=")[2].strip()
        assert line == f"export PGQUEUER_DATABASE_URL={url}\n"
        assert asyncio.run(answer(url)) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        with pytest.raises(OSError, match="Connect"):
            asyncio.run(answer(url))
    finally:
        process.kill()
        process.communicate()


async def answer(url):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT 1")
    finally:
        await connection.close()
