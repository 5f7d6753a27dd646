"""Jobs that are enqueued inside transactions of other drivers, and by programs that are not async."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer
from tests.examples.blocks import ROOT
from tests.waiting import eventually

DRIVERS = ["psycopg_transaction.py", "sqlalchemy_transaction.py", "django_transaction.py"]


async def run(name: str, url: str) -> list[str]:
    """Run an example and return the lines that it prints."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", str(ROOT / "examples" / name)],
        env=os.environ | {"PGQUEUER_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", DRIVERS)
async def test_a_job_is_there_exactly_when_its_order_is(name, database_url, config, producer, connection):
    assert await run(name, database_url) == ["rolled back: order 2 is not in stock", "1 order, 1 job"]
    orders = await connection.fetch("SELECT number FROM orders")
    jobs = await connection.fetch("SELECT id, payload ->> 'order' AS number FROM pgqueuer.all_jobs")
    assert [row["number"] for row in orders] == [1]
    assert [row["number"] for row in jobs] == ["1"]
    assert await connection.fetchval("SELECT array_agg(reference) FROM pgqueuer.job_references") == ["order-1"]

    async with PgQueuerConsumer(config.model_copy(update={"queue_name": "shipping"}), "robot") as robot:
        running = asyncio.create_task(robot.run(ship))
        job = await producer.wait_for(jobs[0]["id"], timeout=10)
        await robot.stop()
        await running
    assert (job.status, job.result) == (JobStatus.COMPLETED, {"shipped": 1})


async def ship(job: JobModel) -> dict[str, int]:
    return {"shipped": job.payload["order"]}


async def test_a_script_that_is_not_async_enqueues_and_waits(database_url, config, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from handlers import invoice

    async with PgQueuerConsumer(config.model_copy(update={"queue_name": "invoices"}), "robot") as robot:
        running = asyncio.create_task(robot.run(invoice))
        await eventually(lambda: robot._lifeline.hears_of_jobs)
        assert await run("sync_producer.py", database_url) == [
            "100: COMPLETED, {'gross': 119.0}",
            "250: COMPLETED, {'gross': 297.5}",
            "None: FAILED, BusinessError: the payload has no amount",
        ]
        await robot.stop()
        await running
