"""What is logged, by what name, with which fields, and what never is."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue import JobModel, LeaseLost, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from casare_rpa.infrastructure.queue.patience import with_patience
from casare_rpa.infrastructure.telemetry.database_watch import DatabaseWatch
from casare_rpa.infrastructure.telemetry.events import Event
from casare_rpa.infrastructure.telemetry.log import Log
from tests.examples.blocks import ROOT, rows_of
from tests.faults.proxy import Proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.telemetry.conftest import Lines


async def test_the_life_of_a_robot_and_of_its_jobs(config, producer, lines: Lines):
    async def handle(job: JobModel) -> str:
        if job.workflow == "fails":
            raise ValueError("the system was down\nfor long")
        return "fine"

    works = await producer.enqueue_job(JobModel(workflow="works"))
    fails = await producer.enqueue_job(JobModel(workflow="fails", max_retries=2, retry_delay=0))
    async with PgQueuerConsumer(config, "r1") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: lines("job_dead"))
        await robot.stop()
        await working
    common = {"robot_id": "r1", "queue": "casare_rpa_jobs"}
    of_fails = {**common, "job_id": str(fails), "workflow": "fails", "error": "ValueError: the system was down"}
    assert lines("robot_opened") == [{**common, "slots": 3, "level": "info"}]
    assert lines("job_failed") == [{**of_fails, "attempt": 1, "level": "warning"}]
    assert lines("job_dead") == [{**of_fails, "attempt": 2, "outcome": "failed", "level": "error"}]
    assert lines("robot_stopping") == [{**common, "held": 0, "grace": 5.0, "level": "info"}]
    assert lines("robot_stopped") == [{**common, "level": "info"}]
    of_works = {**common, "job_id": str(works), "workflow": "works", "attempt": 1, "level": "debug"}
    for event in ("job_claimed", "job_started"):
        assert of_works in lines(event)
    assert lines("job_settled") == [{**of_works, "outcome": "completed"}]
    assert [line["jobs"] for line in lines("jobs_enqueued")] == [1, 1]


async def test_a_job_that_its_robot_fails_and_claims_again_at_once_has_lost_no_lease(config, producer, lines: Lines):
    async def handle(job: JobModel) -> None:
        if job.payload["waits"]:
            await asyncio.sleep(0)
        raise ValueError("went wrong")

    for waits in (False, True):
        await producer.enqueue_job(JobModel(workflow="w", payload={"waits": waits}, max_retries=15, retry_delay=0))
    async with PgQueuerConsumer(config, "r1") as robot:
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: len(lines("job_dead")) == 2)
        await robot.stop()
        await working
    assert len(lines("job_failed")) == 28
    assert lines("lease_lost") == []


async def test_nothing_that_is_secret_is_logged(config, producer, lines: Lines):
    lost: list[JobModel] = []

    async def handle(job: JobModel) -> dict[str, str]:
        lost.append(job)
        if job.payload["n"] == 0:
            raise ValueError("went wrong")
        return {"result": "do-not-log-this-result"}

    async with PgQueuerConsumer(config, "r1") as robot:
        working = asyncio.create_task(robot.run(handle))
        for n in range(2):
            await producer.enqueue_job(
                JobModel(workflow="w", payload={"n": n, "do-not-log": "do-not-log"}, max_retries=1)
            )
        await eventually(lambda: lines("job_dead") and lines("job_settled"))
        incarnation = robot._incarnation
        await robot.stop()
        await working
    url = config.require_url()
    password = re.search(r":([^:@]+)@", url)
    assert password is not None
    for secret in ["do-not-log", str(incarnation), password[1], url, *(str(job.lease_token) for job in lost)]:
        assert secret not in lines.text


async def test_a_job_that_cannot_be_read_is_said_to_be_dead_and_counted(
    config, producer, connection, lines: Lines, metrics, value
):
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await connection.execute("UPDATE pgqueuer.jobs SET payload = '{\"n\": 1e5000}'")
    async with PgQueuerConsumer(config, "r1", metrics=metrics) as robot:
        assert await robot.claim_job() is None
        (line,) = await eventually(lambda: lines("job_dead"))
    assert (line["job_id"], line["workflow"], line["attempt"], line["outcome"]) == (str(job_id), "w", 1, "business")
    assert line["error"].startswith("this job cannot be read: ValueError")
    assert value("casare_jobs_settled_total", workflow="w", outcome="failed") == 1


async def test_a_lost_lease_is_a_warning_that_names_the_job(config, producer, connection, lines: Lines):
    async with PgQueuerConsumer(config, "r1") as robot:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        job = await robot.claim_job()
        assert job is not None
        await connection.execute("UPDATE pgqueuer.jobs SET lease_token = gen_random_uuid()")
        with pytest.raises(LeaseLost):
            await robot.start_job(job)
    (line,) = lines("lease_lost")
    assert (line["job_id"], line["workflow"], line["attempt"], line["level"]) == (str(job_id), "w", 1, "warning")


async def test_a_database_that_goes_away_is_said_once_for_each_link_and_so_is_its_return(
    config: QueueConfig, lines: Lines, metrics, value
):
    began = asyncio.Event()

    async def hold(_: JobModel) -> None:
        began.set()
        await asyncio.Event().wait()

    async with Proxy(config.require_url()) as proxy:
        short = {"visibility_timeout": 1.0, "poll_interval": 0.05, "database_url": proxy.url}
        async with (
            PgQueuerProducer(config) as producer,
            PgQueuerConsumer(config.model_copy(update=short), "r1", metrics=metrics) as robot,
        ):
            working = asyncio.create_task(robot.run(hold))
            await producer.enqueue_job(JobModel(workflow="w"))
            await began.wait()
            beats = value("casare_heartbeats_total", result="answered") or 0
            await eventually(lambda: (value("casare_heartbeats_total", result="answered") or 0) >= beats + 2)
            proxy.refuses = True
            proxy.cut()
            await eventually(lambda: value("casare_database_retries_total") and len(lines("database_lost")) == 2)
            cut = time.monotonic()
            await eventually(lambda: time.monotonic() - cut > 1.5, why="a lease could have run out")
            assert (value("casare_heartbeats_total", result="failed") or 0) >= 3
            assert lines("database_back") == []
            proxy.refuses = False
            await eventually(lambda: {line["link"] for line in lines("database_back")} == {"calls", "heartbeats"})
            robot.cancel_handlers()
            await robot.stop()
            await working
    of_robot = [line for line in lines("database_lost") if line.get("robot_id") == "r1"]
    assert sorted(line["link"] for line in of_robot) == ["calls", "heartbeats"]
    assert all(line["level"] == "warning" and line["error"] for line in of_robot)
    (late,) = lines("heartbeat_late")
    assert late["seconds"] > 0


async def test_a_producer_says_that_it_sends_again_and_that_it_is_through(lines: Lines, metrics, value):
    watch = DatabaseWatch(Log("producer"), "calls", "casare_rpa_jobs", metrics)

    async def call(tries: int) -> str:
        if tries < 2:
            raise ConnectionRefusedError("nobody there")
        return "done"

    assert await with_patience(call, 10, watch=watch) == "done"
    (lost,), (back,) = lines("database_lost"), lines("database_back")
    assert lost == {"link": "calls", "error": "ConnectionRefusedError: nobody there", "level": "warning"}
    assert back["seconds"] > 0
    assert value("casare_database_retries_total") == 2


async def test_a_claim_that_is_given_up_is_a_warning(config, producer, connection, lines: Lines, metrics, value):
    config = config.model_copy(update={"visibility_timeout": 0.2, "outage_patience": 0.0})
    async with PgQueuerConsumer(config, "r1", metrics=metrics) as robot:
        robot._claimer._longest_call = 0.1  # type: ignore[union-attr]  # two seconds would do as well
        async with connection.transaction():
            await connection.execute("LOCK pgqueuer.jobs IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(ConnectionError):
                await robot.claim_job()
    (line,) = lines("claim_given_up")
    assert line["level"] == "warning"
    assert value("casare_claims_total", result="failed") == 1


LINE = 'casare_rpa.robot job_failed robot_id="r 1" error="50% \\u001b[31m"\n'


@pytest.mark.parametrize(
    ("configure", "seen"), [("", ""), ("logging.basicConfig(format='%(name)s %(message)s')", LINE)]
)
def test_a_program_that_configures_nothing_sees_nothing_and_another_sees_a_line_of_text(configure, seen):
    program = (
        "import logging; from casare_rpa.infrastructure.telemetry.log import Log;"
        f"from casare_rpa.infrastructure.telemetry.events import Event; {configure}\n"
        "log = Log('robot', robot_id='r 1'); log.debug(Event.JOB_STARTED); log.info(Event.ROBOT_OPENED);"
        "log.warning(Event.JOB_FAILED, error='50% \\x1b[31m')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", seen)


def test_the_guide_has_every_event_and_no_other():
    rows = rows_of(ROOT / "docs" / "guides" / "telemetry.md", "Events")
    assert [row[0] for row in rows] == [event.value for event in Event]
