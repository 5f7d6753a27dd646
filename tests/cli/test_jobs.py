"""`casare jobs submit`, `list`, `show`, `comment` and `cancel` against a real database."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID, uuid4

import pytest

from casare_rpa.cli import listing, options
from casare_rpa.infrastructure.queue import JobModel, JobStatus, PgQueuerConsumer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare

NASTY = "\x1b[31m[bold]x[/bold]\x9b\u202e\n"
SHOWN = "\\x1b[31m[bold]x[/bold]\\x9b\\u202e\\n"

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
async def consumer(config: QueueConfig) -> AsyncIterator[PgQueuerConsumer]:
    async with PgQueuerConsumer(config, "robot-1") as opened:
        yield opened


async def test_submit_with_everything(casare: Casare, producer: PgQueuerProducer) -> None:
    printed = await casare(
        *("jobs", "submit", "invoices", "--payload", '{"invoice": 7, "büro": null}', "--priority", "high"),
        *("--queue", "q", "--tenant", "acme", "--tag", "a", "--tag", "b c", "--metadata", '{"m": [1]}'),
        *("--reference", "r-7", "--run-at", "2100-01-31T08:00+01:00", "--max-retries", "5", "--time-limit", "1.5"),
        *("--on-crash", "hold", "--require", "capabilities=sap,excel", "--require", "pool=blue"),
    )
    job = await producer.get_job(UUID(printed.done().strip()))
    assert job.workflow == "invoices"
    assert job.payload == {"invoice": 7, "büro": None}
    assert (job.priority, job.queue_name, job.tenant_id, job.tags) == (10, "q", "acme", ["a", "b c"])
    assert (job.metadata, job.reference, job.max_retries) == ({"m": [1]}, "r-7", 5)
    assert job.run_at == datetime.fromisoformat("2100-01-31T07:00Z")
    assert (job.time_limit, job.on_crash) == (1.5, "hold")
    assert job.requirements == {"capabilities": ["excel", "sap"], "pool": "blue"}


async def test_submit_with_nothing_follows_the_environment(
    casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUER_QUEUE_NAME", "elsewhere")
    monkeypatch.setenv("PGQUEUER_MAX_RETRIES", "7")
    job = await producer.get_job((await casare("jobs", "submit", "w")).done().strip())
    assert (job.queue_name, job.max_retries, job.payload, job.priority) == ("elsewhere", 7, {}, 5)


async def test_payload_from_stdin(casare: Casare, producer: PgQueuerProducer) -> None:
    printed = await casare("jobs", "submit", "w", "--payload-file", "-", stdin='{"a": "ß"}\n'.encode())
    assert (await producer.get_job(printed.done().strip())).payload == {"a": "ß"}


async def test_a_taken_reference(casare: Casare) -> None:
    first = (await casare("jobs", "submit", "w", "--reference", "r")).done().strip()
    complaint = (await casare("jobs", "submit", "w", "--reference", "r")).complaint(1)
    assert complaint == f'the reference "r" is taken by job {first}'


async def test_a_payload_over_the_limit(casare: Casare) -> None:
    complaint = await casare("jobs", "submit", "w", "--payload-file", "-", stdin=b'{"a": "%s"}' % (b"x" * 2**20))
    assert "more than the limit of 1048576" in complaint.complaint(2)
    assert (await casare("jobs", "list", "--json")).json() == []


async def test_list_goes_on_page_by_page(casare: Casare, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w", queue_name=f"q{n % 2}") for n in range(6)])
    newest_first = [str(job_id) for job_id in reversed(ids)]
    first = await casare("jobs", "list", "--limit", "4")
    assert [line.split()[0] for line in first.done().splitlines()] == ["ID", *newest_first[:4]]
    assert first.err.startswith("casare: there may be more: --after ")
    cursor = first.err.split()[-1]
    second = await casare("jobs", "list", "--limit", "4", "--after", cursor, "--json")
    assert [job["id"] for job in second.json()] == newest_first[4:]
    complaint = (await casare("jobs", "list", "--after", cursor, "--queue", "q0")).complaint(2)
    assert "this cursor belongs to a list with another filter" in complaint
    assert "no cursor of a list of dead letters" in (await casare("dlq", "list", "--after", cursor)).complaint(2)
    assert "this is no cursor" in (await casare("jobs", "list", "--after", "x")).complaint(2)


async def test_a_time_that_was_reckoned_is_named_for_the_next_page(casare: Casare, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(2)])
    first = await casare("jobs", "list", "--since", "2h", "--until", "2100-01-01T00:00Z", "--limit", "1")
    words = first.err.removeprefix("casare: there may be more: ").replace(", with", "").split()
    assert [word for word in words if word.startswith("--")] == ["--after", "--since"]
    (second,) = (await casare("jobs", "list", *words, "--until", "2100-01-01T00:00Z", "--json")).json()
    assert second["id"] == str(min(ids))


async def test_list_all(casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE", 2)
    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(5)])
    everything = [str(job_id) for job_id in sorted(ids, reverse=True)]
    table = (await casare("jobs", "list", "--all")).done().splitlines()
    assert [line.split()[0] for line in table] == ["ID", *everything]
    assert [job["id"] for job in (await casare("jobs", "list", "--all", "--json")).json()] == everything


async def test_a_list_that_is_cut_short_says_so(casare: Casare, producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(JobModel(workflow="w", metadata={"needle": 1}))
    for _ in range(3):
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(7000)])
    cut = await casare("jobs", "list", "--metadata", '{"needle": 1}')
    assert (cut.code, cut.out) == (0, "")
    assert cut.err.startswith("casare: 0 found in the ")
    assert " rows that were looked at; there may be more: --after " in cut.err
    (found,) = (await casare("jobs", "list", "--metadata", '{"needle": 1}', "--all", "--json")).json()
    assert found["metadata"] == {"needle": 1}


async def test_list_filters(casare: Casare, producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    async def put_in(**fields: Any) -> str:
        return str(await producer.enqueue_job(JobModel(workflow="w", **fields)))

    async def listed(*arguments: str) -> list[str]:
        return [job["id"] for job in (await casare("jobs", "list", "--json", *arguments)).json()]

    failed = await put_in(max_retries=1)
    await consumer.fail_job((await consumer.claim_jobs(1))[0], "the ERP said 100% no")
    held = await put_in()
    await consumer.claim_jobs(1)
    tagged = await put_in(queue_name="q", tags=["a", "b"], tenant_id="t", reference="r-1")
    marked = await put_in(queue_name="q", metadata={"site": "berlin", "floor": 3})
    assert set(await listed()) == {failed, held, tagged, marked}
    assert await listed("--queue", "q") == [marked, tagged]
    assert await listed("--workflow", "w", "--tenant", "t") == [tagged]
    assert await listed("--workflow", "none") == []
    assert await listed("--tag", "b", "--tag", "a") == [tagged]
    assert await listed("--metadata", "site=berlin", "--metadata", '{"floor": 3}') == [marked]
    assert await listed("--metadata", "floor=3") == []  # a text is no number
    assert await listed("--status", "failed", "--status", "CLAIMED") == [held, failed]
    assert await listed("--robot", "robot-1", "--status", "claimed") == [held]
    assert await listed("--reference", "r-1") == [tagged]
    assert await listed("--error", "ERP SAID 100% N") == [failed]
    assert await listed("--error", "100_") == []
    assert len(await listed("--since", "1h")) == len(await listed("--until", "2100-01-01T00:00Z")) == 4
    assert await listed("--until", "1.5h") == await listed("--since", "2100-01-01T00:00Z") == []
    assert (await casare("jobs", "list", "--workflow", "none")).err == "casare: no jobs\n"


async def test_count(casare: Casare, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch([JobModel(workflow="w", queue_name=f"q{n % 3}") for n in range(9)])
    assert (await casare("jobs", "count")).done() == "9\n"
    assert (await casare("jobs", "count", "--queue", "q1", "--json")).json() == {"count": 3, "complete": True}


async def test_comment(casare: Casare, producer: PgQueuerProducer) -> None:
    job_id = str(await producer.enqueue_job(JobModel(workflow="w")))
    assert (await casare("jobs", "comment", job_id, f"asked Ann {NASTY}")).done() == ""
    (action,) = (await casare("jobs", "show", job_id, "--json")).json()["actions"]
    assert (action["action"], action["comment"]) == ("commented", f"asked Ann {NASTY}")
    assert f"asked Ann {SHOWN}" in (await casare("jobs", "show", job_id)).done()
    assert "1 to 10,000 characters, not 0" in (await casare("jobs", "comment", job_id, "")).complaint(2)
    assert "not 1,048,576" in (await casare("jobs", "comment", job_id, "x" * 2**20)).complaint(2)
    assert "there is no job" in (await casare("jobs", "comment", str(uuid4()), "c")).complaint(1)


async def test_json_has_stable_keys_iso_times_and_no_token(
    casare: Casare, producer: PgQueuerProducer, consumer: PgQueuerConsumer
) -> None:
    await producer.enqueue_job(JobModel(workflow=NASTY, tags=[NASTY]))
    claimed = await consumer.claim_job()
    assert claimed is not None
    printed = await casare("jobs", "list", "--json")
    assert printed.out.isascii()
    (job,) = printed.json()
    assert list(job) == [
        *("workflow", "payload", "priority", "queue_name", "tenant_id", "tags", "metadata", "reference", "run_at"),
        *("max_retries", "retry_delay", "visibility_timeout", "time_limit", "on_crash", "requirements", "id", "status"),
        *("attempt", "created_at", "claimed_by", "claimed_at", "started_at", "finished_at", "lease_expires_at"),
        *("result", "error", "crashes", "cancel_requested_at", "dead_letter_reason", "error_shape", "assigned_to"),
    ]
    assert UUID(job["id"]) == claimed.id
    assert job["workflow"] == NASTY
    assert job["status"] == "CLAIMED"
    assert datetime.fromisoformat(job["claimed_at"]) == claimed.claimed_at
    assert str(claimed.lease_token) not in printed.out


async def test_show(casare: Casare, producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(
        JobModel(
            workflow=NASTY, payload={"k": NASTY}, tags=[NASTY], metadata={NASTY: 1}, reference=NASTY, max_retries=2
        )
    )
    for error in (f"first {NASTY}", f"second\n{NASTY}"):
        await consumer.fail_job((await consumer.claim_jobs(1))[0], error, retry_in=0)
    document = (await casare("jobs", "show", str(job_id), "--json")).json()
    assert document["error"] == f"second\n{NASTY}"
    assert [a["outcome"] for a in document["attempts"]] == ["failed", "failed"]
    assert list(document["attempts"][0]) == [
        *("attempt", "robot", "claimed_at", "started_at", "ended_at", "outcome", "error")
    ]
    shown = (await casare("jobs", "show", str(job_id))).done()  # the fixture has looked for escape characters
    assert shown.count(SHOWN) == 3  # workflow, tags, reference
    assert shown.count("\\u001b[31m[bold]x[/bold]\\x9b\\u202e\\n") == 2  # payload, metadata
    assert "\u202e" not in shown
    for line in (
        f"workflow     {SHOWN}",
        "status       FAILED",
        "dead letter  exhausted: every attempt failed",
        "attempt      2/2",
    ):
        assert line in [shown_line.rstrip() for shown_line in shown.splitlines()]
    assert "\n  second\n  \\x1b[31m[bold]x" in shown
    assert "robot-1" in shown


async def test_show_a_result(casare: Casare, producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await consumer.complete_job((await consumer.claim_jobs(1))[0], {"total": 12})
    shown = (await casare("jobs", "show", str(job_id))).done()
    assert '\nresult\n  {\n    "total": 12\n  }\n' in shown
    assert "completed" in shown


async def test_tables_do_not_break_in_a_pipe(
    casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    job_id = await producer.enqueue_job(JobModel(workflow="w" * 200, queue_name="q" * 200))
    for command in (["jobs", "list"], ["jobs", "show", str(job_id)]):
        words = (await casare(*command)).done().split()
        assert {str(job_id), "w" * 200, "q" * 200} <= set(words)


async def test_cancel(casare: Casare, producer: PgQueuerProducer, consumer: PgQueuerConsumer) -> None:
    waiting, running, done = [
        str(await producer.enqueue_job(JobModel(workflow="w", priority=priority))) for priority in (1, 3, 2)
    ]
    await consumer.start_job((await consumer.claim_jobs(1))[0])
    await consumer.complete_job((await consumer.claim_jobs(1))[0])
    assert (await casare("jobs", "cancel", waiting)).done() == f"job {waiting} is CANCELLED\n"
    asked = (await casare("jobs", "cancel", running)).done()
    assert asked == f"job {running} is RUNNING: its robot has been asked to stop it\n"
    several = await casare("jobs", "cancel", done, running, unknown := str(uuid4()))
    assert (several.code, several.out) == (1, asked)
    assert several.err == f"casare: job {done} has ended already: it is COMPLETED; there is no job {unknown}\n"
    for ended, status in ((done, "COMPLETED"), (waiting, "CANCELLED")):
        complaint = (await casare("jobs", "cancel", ended)).complaint(1)
        assert complaint == f"job {ended} has ended already: it is {status}"


@pytest.mark.parametrize("command", ["show", "cancel", "wait", "follow"])
async def test_unknown_job(casare: Casare, command: str) -> None:
    unknown = uuid4()
    assert (await casare("jobs", command, str(unknown))).complaint(1) == f"there is no job {unknown}"


async def test_what_can_be_typed_is_what_the_queue_knows(connection: asyncpg.Connection) -> None:
    assert [status.value for status in options.Status] == [status.value for status in JobStatus]
    assert set(get_args(options.OnCrash)) == set(get_args(JobModel.model_fields["on_crash"].annotation))
    allowed = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'pgqueuer.dead_letter_queue'::regclass AND contype = 'c'"
    )
    assert set(re.findall("'([^']+)'", allowed)) == {reason.replace("-", " ") for reason in options.REASONS}
