"""What strangers wrote into the database reaches no terminal as it is: every command is tried with it, and none is left out."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

from casare_rpa.cli.app import app
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from tests.cli.conftest import ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import asyncpg

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare, Start
    from tests.cli.outcome import Outcome

NASTY = "'\";DROP TABLE jobs--\x1b]0;title\x07\x9b31m\u202e\r\n\t\u200b\x7f[bold]"
"""Ends a literal and a name in SQL, sets a title and a colour, turns the direction of writing, goes to the line's beginning."""

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
async def ids(producer: PgQueuerProducer, config: QueueConfig, connection: asyncpg.Connection) -> dict[str, str]:
    """Jobs of every kind, and everything that was ever said about them, full of such texts."""
    common: dict[str, Any] = {
        "workflow": NASTY,
        "queue_name": NASTY,
        "tenant_id": NASTY,
        "tags": [NASTY],
        "metadata": {NASTY: {NASTY: NASTY}},
        "payload": {NASTY: NASTY},
        "requirements": {},
    }
    names = ("dead", "doomed", "closed", "done", "running", "waiting")
    jobs = await producer.enqueue_batch(
        [JobModel(**common, max_retries=1, priority=20 - n, reference=f"{NASTY}{n}") for n in range(len(names))]
    )
    found = dict(zip(names, jobs, strict=True))
    async with PgQueuerConsumer(config.model_copy(update={"queue_name": NASTY}), "r") as robot:
        for job in await robot.claim_jobs(3):
            await robot.fail_job(job, f"{NASTY}\n{NASTY}")
        await robot.complete_job((await robot.claim_jobs(1))[0], {NASTY: NASTY})
        await robot.start_job((await robot.claim_jobs(1))[0])
        for act in (
            lambda job: producer.comment_job(job, NASTY),
            lambda job: producer.edit_payload(job, {NASTY: 1}, comment=NASTY),
        ):
            await act(found["dead"])
        await connection.execute("UPDATE pgqueuer.jobs SET claimed_by = $1 WHERE claimed_by IS NOT NULL", NASTY)
        for table, column in {
            "job_history": "claimed_by",
            "dead_letter_queue": "claimed_by",
            "job_attempts": "robot",
            "job_actions": "actor",
        }.items():
            await connection.execute(f"UPDATE pgqueuer.{table} SET {column} = $1", NASTY)
        await producer.pause_queue(NASTY)
        await connection.execute("UPDATE pgqueuer.paused_queues SET paused_by = $1", NASTY)
        return {name: str(job_id) for name, job_id in found.items()}


def invocations(ids: dict[str, str]) -> dict[str, list[list[str]]]:
    """Return how each command is called; what is looked at comes before what is changed."""
    return {
        "migrate": [[]],
        "doctor": [[], ["--json"]],
        "queue list": [[], ["--json"]],
        "queue show": [[NASTY], [NASTY, "--json"], [NASTY + "?"]],
        "queue depth": [[NASTY], [NASTY, "--json"]],
        "jobs list": [
            [],
            ["--json"],
            ["--all"],
            ["--queue", NASTY],
            ["--after", NASTY],
            ["--since", NASTY],
            ["--metadata", NASTY],
        ],
        "jobs count": [["--workflow", NASTY], ["--since", NASTY]],
        "jobs show": [[job] for job in ids.values()] + [[ids["dead"], "--json"], [NASTY]],
        "jobs wait": [[ids["dead"]], [ids["done"]], [ids["done"], "--json"]],
        "jobs follow": [[ids["dead"]], [ids["dead"], "--json"]],
        "dlq list": [[], ["--json"], ["--reason", NASTY]],
        "dlq groups": [[], ["--json"]],
        "dlq show": [[ids["dead"]], [ids["dead"], "--json"], [ids["waiting"]]],
        "jobs submit": [[NASTY, "--reference", NASTY, "--queue", NASTY]] * 2 + [["w", "--priority", NASTY]],
        "jobs comment": [[ids["waiting"], NASTY], [NASTY, NASTY]],
        "dlq comment": [[ids["dead"], NASTY]],
        "dlq assign": [[ids["dead"], "--to", NASTY], ["--all", "--to", NASTY], [ids["waiting"], "--nobody"]],
        "dlq edit": [[ids["dead"], "--payload", json.dumps({NASTY: 1})], [ids["dead"], "--payload", NASTY]],
        "jobs priority": [["7", ids["waiting"]], [NASTY, ids["waiting"]], ["7", "--queue", NASTY]],
        "jobs cancel": [["--queue", NASTY, "--dry-run", "--json"], [ids["running"]], [ids["dead"]]],
        "dlq resolve": [[ids["closed"], "--comment", NASTY]],
        "jobs retry": [[ids["doomed"]], ["--workflow", NASTY]],
        "dlq redrive": [[ids["dead"], ids["waiting"]], ["--shape", NASTY]],
        "dlq purge": [["--all"], ["--all", "--yes"]],
        "queue pause": [[NASTY], [NASTY + "?"]],
        "queue resume": [[NASTY]],
        "queue purge": [[NASTY], [NASTY, "--yes"]],
        "work": [[NASTY], [f"{NASTY}:{NASTY}"], ["json:dumps", "--robot-id", NASTY]],
        "demo": [["--output"]],
    }


def leaves(name: str, command: Any) -> Iterator[str]:
    for word, below in getattr(command, "commands", {}).items():
        yield from leaves(f"{name} {word}".strip(), below)
    if not hasattr(command, "commands"):
        yield name


async def test_every_command(casare: Casare, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = invocations(ids)
    assert set(calls) == set(leaves("", get_command(app)))
    codes = set()
    for command, variants in calls.items():
        for arguments in variants:
            outcome = await casare(*command.split(), *arguments)
            codes.add(outcome.code)
            assert outcome.code in {0, 1, 2, 5}, (command, arguments, outcome)
            assert_harmless(outcome, (command, arguments))
            if "--json" in arguments:
                for line in [outcome.out] if command != "jobs follow" else outcome.out.splitlines():
                    json.loads(line)
    assert codes == {0, 1, 2, 5}
    monkeypatch.setenv("PGQUEUER_QUEUE_NAME", NASTY)
    assert_harmless(await casare("queue", "pause"), "pause")


def assert_harmless(outcome: Outcome, where: object) -> None:
    for line in (outcome.out + outcome.err).split("\n"):
        assert line.isprintable(), (where, line)


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM cannot be sent to one process")
async def test_a_robot_on_a_queue_with_such_a_name(start: Start) -> None:
    process = await start("work", "json:dumps", "--queue", NASTY)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert ";DROP TABLE jobs--\\x1b]0;title\\x07\\x9b31m\\u202e\\r\\n\\t\\u200b\\x7f[bold], 3 jobs at once" in line
    process.send_signal(signal.SIGTERM)
    assert_harmless(await ended(process), "work")
