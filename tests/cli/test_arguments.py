"""What is typed wrongly is named, with what would be right, before any database is asked (exit code 2)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casare_rpa.cli import arguments
from casare_rpa.cli.faults import BadInput

if TYPE_CHECKING:
    from tests.cli.conftest import Casare

ID = "0190b1a2-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ([], "missing command (see casare --help)"),
        (["jobs"], "missing command (see casare jobs --help)"),
        (["sing"], "no such command 'sing'"),
        (["jobs", "list", "--frobnicate"], "no such option: --frobnicate"),
        (["jobs", "list", "--lim\x1b[31m"], "no such option: --lim\\x1b[31m"),
        (["jobs", "submit"], "missing argument 'WORKFLOW'"),
        (["jobs", "list", "--limit", "0"], "invalid value for '--limit': it should be greater than or equal to 1"),
        (["jobs", "list", "--limit", "1001"], "invalid value for '--limit': it should be less than or equal to 1000"),
        (["jobs", "list", "--limit", "ten"], "invalid value for '--limit': it should be a valid integer"),
        (["jobs", "list", "--all", "--limit", "7"], "give --limit or --all, not both"),
        (["jobs", "list", "--after", "\udcff"], 'after: "\\udcff" is not valid UTF-8'),
        (["jobs", "list", "--since", "yesterday"], 'since: "yesterday" is no time such as 2h, 3d, or 2030-01-31T08:00'),
        (["jobs", "list", "--since", "2030-01-31"], 'since: "2030-01-31" has no time zone'),
        (["jobs", "list", "--metadata", "n"], 'metadata: "n" is neither KEY=VALUE nor a JSON object'),
        (["jobs", "list", "--metadata", "{"], "metadata: not JSON"),
        (["jobs", "list", "--metadata", "a=1", "--metadata", "a=2"], 'metadata: "a" is given twice'),
        (["jobs", "list", "--metadata", "{}"], "metadata: "),
        (["jobs", "list", "--tag", ""], "tags"),
        (["jobs", "list", "--error", "x" * 1001], "error: string should have at most 1000 characters"),
        (["jobs", "list", "--colour", "red"], "no such option: --colour"),
        (["jobs", "cancel"], "say what to cancel: name jobs by their ids, give a filter such as --queue, or say --all"),
        (["jobs", "cancel", "--queue", "q", ID], "name the jobs to cancel, or give a filter, not both"),
        (["jobs", "cancel", "not-a-uuid"], '"not-a-uuid" is no job id'),
        (["jobs", "priority", "21", ID], "priority: must be a whole number from 0 to 20, not 21"),
        (["jobs", "priority", "best", ID], 'priority: "best" is neither a whole number'),
        (
            ["jobs", "wait", ID, "--timeout", "0"],
            "timeout: must be more than 0 and at most 1,000,000,000 seconds, not 0",
        ),
        (["jobs", "wait", ID, "--timeout", "nan"], "timeout: must be more than 0"),
        (["jobs", "comment", ID], "missing argument 'TEXT'"),
        (["dlq", "edit", ID], "give --payload or --payload-file: there is no terminal to edit it on"),
        (["dlq", "edit", ID, "--payload", "[1]"], "payload: must be a JSON object"),
        (["dlq", "resolve", ID], "missing option '--comment'"),
        (["dlq", "assign", ID], "say --to NAME, or --nobody"),
        (["dlq", "assign", ID, "--to", "ann", "--nobody"], "say --to NAME, or --nobody"),
        (["dlq", "list", "--assigned-to", "ann", "--unassigned"], "give --assigned-to or --unassigned, not both"),
        (["queue", "purge"], "missing argument 'QUEUE'"),
        (
            ["jobs", "list", "--status", "LOST"],
            "invalid value for '--status': 'LOST' is not one of 'pending', 'claimed'",
        ),
        (["dlq", "list", "--reason", "boredom"], 'reason: "boredom" is none of exhausted, business'),
        (["jobs", "list", "--workflow", "\udcff"], 'workflow: "\\udcff" is not valid UTF-8'),
        (["queue", "depth", "\udcff"], 'queue: "\\udcff" is not valid UTF-8'),
        (["jobs", "show", "not-a-uuid"], '"not-a-uuid" is no job id: an id is a UUID'),
        (["jobs", "cancel", "\x1b]0;gotcha\x07"], '"\\x1b]0;gotcha\\x07" is no job id: an id is a UUID'),
        (["dlq", "redrive", "not-a-uuid"], '"not-a-uuid" is no job id: an id is a UUID'),
        (["dlq", "redrive"], "say what to redrive: name jobs by their ids"),
        (["dlq", "redrive", "--all", ID], "name the jobs to redrive, or give a filter, not both"),
        (["dlq", "redrive", "--reason", "business", ID], "name the jobs to redrive, or give a filter, not both"),
        (["work", "robots"], '"robots" is not MODULE:FUNCTION, such as robots.invoices:handle'),
        (["work", "json:dumps", "--concurrency", "0"], "invalid value for '--concurrency': it should be greater than"),
        (["work", "json:dumps", "--label", "site"], 'label: "site" is no pair such as site=berlin'),
        (
            ["work", "json:dumps", "--capability", ""],
            "what the robot offers is wrong: capabilities must be a list of words",
        ),
        (["work", "json:dumps", "--robot-id", "a\nb"], "robot_id must be a name of 1 to 200 printable characters"),
    ],
)
async def test_usage(casare: Casare, typed: list[str], complaint: str) -> None:
    assert complaint in (await casare(*typed)).complaint(2)


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ([""], "workflow: string should have at least 1 character, not ''"),
        (["x" * 201], "workflow: string should have at most 200 characters, not 'xxxxx"),
        (["\udcff"], "workflow: input should be a valid string"),
        (["w", "--priority", "-1"], "priority: input should be greater than or equal to 0, not -1"),
        (["w", "--priority", "21"], "priority: input should be less than or equal to 20, not 21"),
        (
            ["w", "--priority", "5.5"],
            'priority: "5.5" is neither a whole number from 0 to 20 nor one of low, normal, high, urgent, critical',
        ),
        (["w", "--priority", "highest"], 'priority: "highest" is neither a whole number'),
        (
            ["w", "--payload", "{"],
            "payload: not JSON: Expecting property name enclosed in double quotes at line 1 column 2",
        ),
        (["w", "--payload", ""], "payload: not JSON: Expecting value at line 1 column 1"),
        (["w", "--payload", "[1]"], 'payload: must be a JSON object, such as {"invoice": 7}, not an array'),
        (["w", "--payload", "null"], "not null"),
        (["w", "--payload", "true"], "not a boolean"),
        (["w", "--payload", '{"a": [NaN]}'], "payload.a[0] is nan, which JSON cannot hold"),
        (["w", "--payload", '{"a": "\\u0000"}'], "payload.a contains a NUL character at position 0"),
        (["w", "--payload", '{"a": ' + "1" * 5000 + "}"], "payload: not JSON that can be read"),
        (["w", "--payload", '{"a":' * 100_000], "payload: not JSON that can be read"),
        (["w", "--payload", "{}", "--payload-file", "-"], "payload: give --payload or --payload-file, not both"),
        (
            ["w", "--payload-file", "/no/such/file"],
            'payload-file: "/no/such/file" cannot be read: No such file or directory',
        ),
        (["w", "--payload-file", "-"], "payload-file: there is no stdin to read"),
        (["w", "--metadata", "7"], 'metadata: must be a JSON object, such as {"invoice": 7}, not a number'),
        (["w", "--tag", ""], "tags.0: string should have at least 1 character, not ''"),
        (["w", *["--tag", "t"] * 33], "tags: list should have at most 32 items"),
        (["w", "--reference", ""], "reference: string should have at least 1 character"),
        (
            ["w", "--run-at", "2030-01-31T08:00"],
            'run-at: "2030-01-31T08:00" has no time zone: add Z for UTC, or an offset',
        ),
        (["w", "--run-at", "tomorrow"], 'run-at: "tomorrow" is no time such as 2030-01-31T08:00+01:00'),
        (["w", "--run-at", "9999-12-31T23:59:59-23:59"], "run_at: must lie between the years 1970 and 3000"),
        (["w", "--run-at", "0001-01-01T00:00:00+23:59"], "run_at: must lie between the years 1970 and 3000"),
        (["w", "--run-in", "-1"], "run-in: must be from 0 to 1,000,000,000 seconds, not -1"),
        (["w", "--run-in", "nan"], "run-in: must be from 0 to 1,000,000,000 seconds, not nan"),
        (["w", "--run-in", "soon"], "invalid value for '--run-in': it should be a valid number"),
        (["w", "--run-in", "1", "--run-at", "2030-01-31T08:00Z"], "give --run-at or --run-in, not both"),
        (["w", "--max-retries", "0"], "max_retries: input should be greater than or equal to 1, not 0"),
        (["w", "--time-limit", "0"], "time_limit: input should be greater than 0, not 0"),
        (["w", "--time-limit", "inf"], "time_limit: "),
        (["w", "--on-crash", "panic"], "invalid value for '--on-crash': 'panic' is not one of 'retry', 'hold', 'fail'"),
        (
            ["w", "--require", "speed=9"],
            'require: "speed=9" is none of capabilities=…, labels=…, environment=…, pool=…',
        ),
        (["w", "--require", "pool"], 'require: "pool" is none of'),
        (["w", "--require", "pool=a", "--require", "pool=b"], "require: pool is given twice"),
        (["w", "--require", "labels=site"], 'require labels: "site" is no pair such as site=berlin'),
        (["w", "--require", "labels=a=1,a=2"], 'require labels: "a" is given twice'),
        (["w", "--require", "capabilities="], "requirements: capabilities must be a list of words"),
    ],
)
async def test_a_job_that_cannot_be(casare: Casare, typed: list[str], complaint: str) -> None:
    shown = (await casare("jobs", "submit", *typed)).complaint(2)
    assert complaint in shown
    assert "pydantic" not in shown
    assert len(shown) < 300


async def test_every_wrong_field_is_named(casare: Casare) -> None:
    shown = (await casare("jobs", "submit", "", "--max-retries", "0", "--priority", "99")).complaint(2)
    assert [part.split(":")[0] for part in shown.split("; ")] == ["workflow", "priority", "max_retries"]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end")
async def test_a_payload_file_without_an_end(casare: Casare) -> None:
    said = (await casare("jobs", "submit", "w", "--payload-file", "/dev/zero")).complaint(2)
    assert said.startswith('payload-file: "/dev/zero" holds more than 64 MiB')


async def test_payload_files_that_cannot_be_read(casare: Casare, tmp_path: Path) -> None:
    (tmp_path / "utf16").write_bytes('{"a": 1}'.encode("utf-16"))
    assert "is not UTF-8" in (await casare("jobs", "submit", "w", "--payload-file", str(tmp_path / "utf16"))).complaint(
        2
    )
    assert "cannot be read" in (await casare("jobs", "submit", "w", "--payload-file", str(tmp_path))).complaint(2)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("0", 0), ("20", 20), ("+5", 5), ("high", 10), ("HIGH", 10), ("Critical", 20), ("-1", -1)],
)
def test_priorities(typed: str, meant: int) -> None:
    assert arguments.priority(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2030-01-31T08:00+01:00", datetime(2030, 1, 31, 7, tzinfo=UTC)),
        ("2030-01-31T08:00:00.5Z", datetime(2030, 1, 31, 8, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_times(typed: str, meant: datetime) -> None:
    assert arguments.run_at(typed, None) == meant


def test_seconds_from_now() -> None:
    before = datetime.now(UTC)
    found = arguments.run_at(None, 90)
    assert found is not None
    assert timedelta(0) <= found - before - timedelta(seconds=90) < timedelta(seconds=10)


def test_requirements_add_up() -> None:
    typed = ["capabilities=excel,sap", "capabilities=pdf", "labels=site=berlin,os=win", "environment=prod", "pool=a=b"]
    assert arguments.requirements(typed) == {
        "capabilities": ["excel", "sap", "pdf"],
        "labels": {"site": "berlin", "os": "win"},
        "environment": "prod",
        "pool": "a=b",
    }


def test_payload_of_powershell(tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": "ß"}).encode())
    assert arguments.payload(None, str(file)) == {"a": "ß"}


def test_what_is_quoted_is_short_and_harmless() -> None:
    with pytest.raises(BadInput) as caught:
        arguments.job_id("\x1b[2J" + "x" * 5000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 120
