"""`configure_logging`: what a program shows, and what it says of the job that is being worked on."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from casare_rpa.cli.handlers import Handler
from casare_rpa.infrastructure.queue import ConfigError, JobModel, PgQueuerConsumer
from casare_rpa.infrastructure.telemetry import configure_logging
from casare_rpa.infrastructure.telemetry.events import Event
from casare_rpa.infrastructure.telemetry.log import Log
from tests.waiting import eventually

if TYPE_CHECKING:
    import io

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def say_both(job: JobModel) -> None:
    """Write two lines from a thread of its own, as a robot's function does."""
    structlog.get_logger("mine").info("with structlog", n=job.payload["n"])
    logging.getLogger("theirs").warning("with %s", "logging")


async def test_what_handlers_write_names_their_job(config, producer, stream):
    configure_logging("info", "json", stream)
    jobs = [JobModel(workflow="w", payload={"n": n}, metadata={"traceparent": TRACEPARENT}) for n in range(3)]
    ids = await producer.enqueue_batch(jobs)
    async with PgQueuerConsumer(config, "r1") as robot:
        working = asyncio.create_task(robot.run(Handler(say_both)))
        await eventually(lambda: producer_is_done(producer, ids))
        logging.getLogger("theirs").warning("outside")
        await robot.stop()
        await working
    lines = lines_of(stream)
    common = {
        "queue": "casare_rpa_jobs",
        "robot_id": "r1",
        "workflow": "w",
        "attempt": 1,
        "trace_id": TRACEPARENT[3:35],
    }
    for n, job_id in enumerate(ids):
        (mine,) = [line for line in lines if line.get("n") == n]
        assert (
            mine | common | {"job_id": str(job_id), "logger": "mine", "event": "with structlog", "level": "info"}
            == mine
        )
        (theirs,) = [line for line in lines if line["logger"] == "theirs" and line.get("job_id") == str(job_id)]
        assert theirs | common | {"event": "with logging", "level": "warning"} == theirs
    (outside,) = [line for line in lines if line["event"] == "outside"]
    assert "job_id" not in outside
    (opened,) = [line for line in lines if line["event"] == "robot_opened"]
    assert "job_id" not in opened


async def producer_is_done(producer, ids) -> bool:
    return {await producer.get_job_status(job_id) for job_id in ids} == {"COMPLETED"}


def test_a_line_for_people(stream):
    configure_logging("info", "text", stream)
    Log("robot", robot_id="r 1").warning(Event.JOB_FAILED, job_id=7, error='say "no"')
    Log("robot").debug(Event.JOB_STARTED)
    logging.getLogger("robots.invoices").info("read %d rows", 3)
    first, second = stream.getvalue().splitlines()
    assert first.startswith("casare: 2")
    assert first.endswith('Z warning job_failed robot_id="r 1" job_id=7 error="say \\"no\\""')
    assert second.startswith("robots.invoices: 2")
    assert second.endswith("Z info read 3 rows")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_moves_the_cursor(stream, log_format):
    configure_logging("info", log_format, stream)
    hostile = "\x1b[31m\x9b\x07\r\n\u202e\x00"
    Log("robot").warning(Event.JOB_FAILED, job_id=hostile, error=hostile)
    logging.getLogger(hostile).warning("%s", hostile)
    structlog.get_logger("mine").warning(hostile, **{hostile: hostile})
    logging.getLogger("theirs").error("went wrong", exc_info=ValueError(hostile))
    written = stream.getvalue()
    assert all(character.isprintable() or character == "\n" for character in written)
    assert "ValueError" in written
    assert written.count("went wrong") == 1
    if log_format == "json":
        assert len(lines_of(stream)) == 4


def test_configuring_again_replaces_what_was_configured(stream):
    configure_logging("info", "json", stream)
    configure_logging("error", "json", stream)
    Log("robot").warning(Event.JOB_FAILED)
    Log("robot").error(Event.JOB_DEAD)
    assert [line["event"] for line in lines_of(stream)] == ["job_dead"]


@pytest.mark.parametrize(
    ("arguments", "says"), [(("loud", "text"), "'loud'.*|debug, info"), (("info", "xml"), "text or json, not 'xml'")]
)
def test_a_level_or_format_that_is_none_is_named(stream, arguments, says):
    with pytest.raises(ConfigError, match=says):
        configure_logging(*arguments)
