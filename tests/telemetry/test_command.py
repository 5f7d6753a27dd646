"""`casare work` as a process: its log, its numbers, and a trace that begins in another process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace

from casare_rpa.infrastructure.queue import JobModel
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.cli.conftest import Casare, Start

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGTERM cannot be sent to one process")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server's address
        return str(answer.read().decode())


async def test_a_robot_says_what_it_does_in_json_in_numbers_and_in_spans(
    start: Start,
    database: str,
    producer,
    spans,
    tmp_path,
) -> None:
    with trace.get_tracer("mine").start_as_current_span("outside") as outside:
        good, bad = await producer.enqueue_batch(
            [JobModel(workflow="w"), JobModel(workflow="w", payload={"fail": True}, max_retries=1)]
        )
    trace_id = trace.format_trace_id(outside.get_span_context().trace_id)
    process = await start(
        *(
            "work",
            "robots:work",
            "--robot-id",
            "r1",
            "--log-level",
            "info",
            "--log-format",
            "json",
            "--metrics-port",
            "0",
        ),
        cwd=HERE,
        SPANS=str(tmp_path / "spans"),
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).startswith(b"casare: the robot r1")
        says, _, url = (await process.stdout.readline()).decode().strip().rpartition(" ")
    assert says == "casare: its metrics are at"
    await eventually(lambda: finished(producer, [good, bad]), 15)
    numbers = await asyncio.to_thread(get, url)
    for outcome in ("completed", "failed"):
        assert f'casare_jobs_settled_total{{outcome="{outcome}",queue="casare_rpa_jobs",workflow="w"}} 1.0' in numbers
    assert 'casare_slots{queue="casare_rpa_jobs"} 3.0' in numbers
    assert "process_resident_memory_bytes" in numbers or os.name != "posix"
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 15)
    assert (process.returncode, out) == (0, b"")
    lines = [json.loads(line) for line in err.decode().splitlines()]
    assert [line["event"] for line in lines if line["logger"] == "casare_rpa.robot"] == [
        "robot_opened",
        "job_dead",
        "robot_stopping",
        "robot_stopped",
    ]
    at_work = {line["job_id"]: line for line in lines if line["event"] == "at work \x1b[31m"}
    assert set(at_work) == {str(good), str(bad)}
    assert {line["trace_id"] for line in at_work.values()} == {trace_id}
    recorded = [json.loads(line) for line in (tmp_path / "spans").read_text(encoding="utf-8").splitlines()]
    assert {span["context"]["trace_id"] for span in recorded} == {"0x" + trace_id}
    of_name = {
        name: [span for span in recorded if span["name"] == name] for name in ("inside", "process casare_rpa_jobs")
    }
    assert {span["parent_id"] for span in of_name["inside"]} == {
        span["context"]["span_id"] for span in of_name["process casare_rpa_jobs"]
    }
    (enqueue,) = [span for span in spans.get_finished_spans() if span.name.startswith("enqueue")]
    assert {span["parent_id"] for span in of_name["process casare_rpa_jobs"]} == {
        "0x" + trace.format_span_id(enqueue.context.span_id)
    }


async def finished(producer, ids) -> bool:
    return all([(await producer.get_job_status(job_id)).is_final for job_id in ids])


async def test_a_person_sees_failed_jobs_and_nothing_else(start: Start, database: str, producer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", payload={"fail": True}, max_retries=1))
    process = await start("work", "robots:work", cwd=HERE)
    await eventually(lambda: finished(producer, [job_id]), 20)
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 15)
    at_work, dead, stopping = err.decode().splitlines()
    assert at_work.startswith("robots: 2")
    assert " warning at work \\x1b[31m robot_id=" in at_work
    assert dead.startswith("casare: 2")
    assert (
        f"error job_dead robot_id={dead.split('robot_id=')[1].split()[0]} queue=casare_rpa_jobs job_id={job_id}" in dead
    )
    assert dead.endswith('error="ValueError: the system was down"')
    assert stopping.startswith("casare: stopping")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--metrics-host", "0.0.0.0"), "say --metrics-port too"),  # noqa: S104 - it is refused
        (("--metrics-port", "65536"), "less than or equal to 65535"),
        (("--log-level", "loud"), "'loud' is not one of"),
        (("--log-format", "xml"), "'xml' is not one of"),
        (("--metrics-port", "0", "--metrics-host", "no such place"), "cannot be served on no such place:0"),
    ],
)
async def test_options_that_cannot_be_right(casare: Casare, database: str, stream, options, says) -> None:
    assert says in (await casare("work", "json:dumps", *options)).complaint(2)
