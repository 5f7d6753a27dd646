"""`casare queue list`, `show`, `depth`, `pause`, `resume` and `purge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.cli import queue_commands
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer
from tests.cli.letters import bury

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare

pytestmark = pytest.mark.usefixtures("database")


async def test_depth(casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    await producer.enqueue_batch([JobModel(workflow="w", queue_name="q") for _ in range(3)])
    assert (await casare("queue", "depth", "q")).done() == "3\n"
    assert (await casare("queue", "depth", "unknown")).done() == "0\n"
    assert (await casare("queue", "depth")).done() == "0\n"
    monkeypatch.setenv("PGQUEUER_QUEUE_NAME", "q")
    assert (await casare("queue", "depth", "--json")).json() == {"queue_name": "q", "depth": 3}


async def test_list_and_show(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    assert (await casare("queue", "list")).err == "casare: no queues: a queue exists from its first job on\n"
    assert (await casare("queue", "list", "--json")).json() == []
    await bury(producer, config, queue="a")
    await producer.enqueue_batch([JobModel(workflow="w", queue_name="b") for _ in range(3)])
    async with PgQueuerConsumer(config.model_copy(update={"queue_name": "b"}), "r") as robot:
        await robot.claim_jobs(1)
        first, second = (await casare("queue", "list", "--json")).json()
        assert (first["queue_name"], first["dead_letters"], first["waiting"]) == ("a", 1, 0)
        assert (second["queue_name"], second["waiting"], second["claimed"]) == ("b", 2, 1)
        lines = [line.split() for line in (await casare("queue", "list")).done().splitlines()]
        assert lines[0][:3] == ["QUEUE", "WAITING", "DUE"]
        assert lines[2][:6] == ["b", "2", "2", "0", "1", "0"]
        assert (await casare("queue", "show", "b", "--json")).json()["due"] == 2
        shown = (await casare("queue", "show", "b")).done()
    assert "claimed        1" in shown
    assert "oldest due" in shown
    assert "~" not in shown
    assert 'no queue "unknown"' in (await casare("queue", "show", "unknown")).complaint(1)


async def test_pause_and_resume(casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUER_QUEUE_NAME", "q")
    assert 'no queue "q"' in (await casare("queue", "pause")).complaint(1)
    await producer.enqueue_job(JobModel(workflow="w", queue_name="q"))
    assert (await casare("queue", "pause")).done() == ""
    paused = (await casare("queue", "show", "--json")).json()
    assert paused["paused_at"]
    assert f"paused by      {paused['paused_by']}" in (await casare("queue", "show")).done()
    assert (await casare("queue", "resume", "q")).done() == ""
    assert (await casare("queue", "show", "--json")).json()["paused_at"] is None


async def test_purge(casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    await producer.enqueue_batch([JobModel(workflow="w", queue_name="q") for _ in range(3)])
    complaint = (await casare("queue", "purge", "q")).complaint(2)
    assert complaint == '3 jobs wait in "q": say --yes to remove them for good'
    monkeypatch.setattr(queue_commands, "can_ask", lambda: True)
    refused = await casare("queue", "purge", "q", stdin=b"no\n")
    assert (refused.code, "nothing was removed" in refused.err) == (0, True)
    assert 'Remove the jobs that wait in "q", 3, for good? [y/N]' in refused.err
    assert await producer.get_queue_depth("q") == 3
    assert (await casare("queue", "purge", "q", stdin=b"y\n")).done() == "3 removed\n"
    assert (await casare("queue", "purge", "q", "--yes", "--json")).json() == {"queue_name": "q", "removed": 0}
    assert 'no queue "unknown"' in (await casare("queue", "purge", "unknown", "--yes")).complaint(1)
