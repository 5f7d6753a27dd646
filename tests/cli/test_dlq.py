"""`casare dlq list`, `groups`, `show` and `edit`."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from casare_rpa.cli import edit_command
from casare_rpa.infrastructure.queue import JobModel
from tests.cli.letters import bury

if TYPE_CHECKING:
    from pathlib import Path

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare

NASTY = "\x1b[31m[red]x[/red]\x9b\u202e"

pytestmark = pytest.mark.usefixtures("database")


async def test_list(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    assert (await casare("dlq", "list")).err == "casare: no dead letters\n"
    assert (await casare("dlq", "list", "--json")).json() == []
    (exhausted,) = await bury(producer, config, error=f"{NASTY}\nmore\n" + "x" * 500)
    (business,) = await bury(producer, config, business=True, queue="r")

    async def listed(*arguments: str) -> list[str]:
        return [job["id"] for job in (await casare("dlq", "list", "--json", *arguments)).json()]

    assert await listed() == [str(business), str(exhausted)]
    assert await listed("--queue", "q") == [str(exhausted)]
    assert await listed("--reason", "business") == [str(business)]
    assert await listed("--shape", "e") == [str(business)]
    assert await listed("--assigned-to", "ann") == []
    assert await listed("--unassigned", "--queue", "r") == [str(business)]
    page = await casare("dlq", "list", "--json", "--limit", "1")
    assert str(business) in page.out
    assert await listed("--after", page.err.split()[-1]) == [str(exhausted)]
    shown = (await casare("dlq", "list")).done().splitlines()
    assert [line.split()[:2] for line in shown] == [
        ["ID", "REASON"],
        [str(business), "business"],
        [str(exhausted), "exhausted"],
    ]
    assert shown[2].rstrip().endswith("\\x1b[31m[red]x[/red]\\x9b\\u202e…")


async def test_groups(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    assert (await casare("dlq", "groups")).err == "casare: no dead letters\n"
    for number in range(3):
        await bury(producer, config, error=f"invoice {number} not found {NASTY}")
    (other,) = await bury(producer, config, error="timeout", business=True, queue="r")
    groups = (await casare("dlq", "groups", "--json")).json()
    assert [(group["count"], group["reason"], group["queue_name"]) for group in groups] == [
        (3, "exhausted", "q"),
        (1, "business", "r"),
    ]
    assert groups[1]["example_id"] == str(other)
    alike = (await casare("dlq", "list", "--shape", groups[0]["shape"], "--json")).json()
    assert len(alike) == 3
    shown = await casare("dlq", "groups", "--limit", "1")
    assert "\\x1b[<n>m[red]x[<path>]\\x9b\\u202e" in shown.done()
    assert "4 letters were looked at, and 1 group is shown" in shown.err
    (only,) = (await casare("dlq", "groups", "--queue", "r", "--json")).json()
    assert only["shape"] == "timeout"


async def test_show(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    (dead,) = await bury(producer, config, error="timeout after 30 s")
    await casare("dlq", "assign", str(dead), "--to", "ann")
    await casare("dlq", "comment", str(dead), "who knows")
    document = (await casare("dlq", "show", str(dead), "--json")).json()
    assert (document["assigned_to"], document["dead_letter_reason"]) == ("ann", "exhausted")
    assert document["error_shape"]
    assert [action["action"] for action in document["actions"]] == ["assigned", "commented"]
    assert len(document["attempts"]) == 1
    shown = (await casare("dlq", "show", str(dead))).done()
    for words in ("assigned to  ann", "who knows", "exhausted: every attempt failed"):
        assert words in shown
    waiting = await producer.enqueue_job(JobModel(workflow="w"))
    assert (await casare("dlq", "show", str(waiting))).complaint(1).startswith(f"job {waiting} is PENDING, not a dead")
    assert "there is no job" in (await casare("dlq", "show", str(uuid4()))).complaint(1)


async def test_in_doubt_and_quarantined_are_told_apart(
    casare: Casare, producer: PgQueuerProducer, config: QueueConfig, connection
) -> None:
    ids = await bury(producer, config, jobs=2)
    for reason, job_id in zip(("in doubt", "quarantined"), ids, strict=True):
        await connection.execute("UPDATE pgqueuer.dead_letter_queue SET reason = $1 WHERE id = $2", reason, job_id)
        (found,) = (await casare("dlq", "list", "--reason", reason, "--json")).json()
        assert found["id"] == str(job_id)
    assert "in doubt: a robot died while it ran, and nobody knows" in (await casare("dlq", "show", str(ids[0]))).done()
    assert "quarantined: robots died of it again" in (await casare("dlq", "show", str(ids[1]))).done()


async def test_edit(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    (dead,) = await bury(producer, config, payload={"invoice": 7})
    assert (await casare("dlq", "edit", str(dead), "--payload", '{"invoice": 8}', "--comment", "typo")).done() == ""
    assert (await producer.get_job(dead)).payload == {"invoice": 8}
    (edited,) = await producer.get_actions(dead)
    assert (edited.action, edited.comment) == ("edited", "typo")
    assert (await casare("dlq", "edit", str(dead), "--payload-file", "-", stdin=b'{"invoice": 9}')).code == 0
    assert (await producer.get_job(dead)).payload == {"invoice": 9}
    for nonsense, complaint in {
        '{"a": NaN}': "payload.a is nan, which JSON cannot hold",
        '{"a": "\\u0000"}': "payload.a contains a NUL character",
        '{"a": "%s"}' % ("x" * 100): "",
    }.items():
        outcome = await casare("dlq", "edit", str(dead), "--payload", nonsense)
        assert outcome.code == (2 if complaint else 0)
        assert complaint in outcome.err
    big = await casare("dlq", "edit", str(dead), "--payload-file", "-", stdin=b'{"a": "%s"}' % (b"x" * 2**20))
    assert "more than the limit of 1048576" in big.complaint(2)
    await producer.redrive_jobs([dead])
    assert "PENDING" in (await casare("dlq", "edit", str(dead), "--payload", "{}")).complaint(1)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that replaces what it is given by what stands in a file, as a person at a terminal would."""
    monkeypatch.setattr(edit_command, "can_ask", lambda: True)
    script = tmp_path / "editor with spaces.py"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        "pathlib.Path(sys.argv[-1]).write_text(pathlib.Path(__file__).with_name('new').read_text())\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", f"'{script}' --wait")
    return tmp_path / "new"


def types(editor: Path, text: str) -> None:
    editor.write_text(text)


@pytest.mark.skipif(os.name == "nt", reason="the editor is a script with a first line for POSIX")
async def test_edit_with_an_editor(
    casare: Casare, producer: PgQueuerProducer, config: QueueConfig, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dead,) = await bury(producer, config, payload={"invoice": 7})
    monkeypatch.setenv("TMPDIR", str(editor.parent))
    monkeypatch.setattr("tempfile.tempdir", None)
    types(editor, '{"invoice": 7}')
    assert "nothing was changed" in (await casare("dlq", "edit", str(dead))).err
    types(editor, '{"invoice": 8}')
    assert (await casare("dlq", "edit", str(dead))).done() == ""
    assert (await producer.get_job(dead)).payload == {"invoice": 8}
    assert list(editor.parent.glob("casare-*")) == []
    types(editor, '{"invoice": ')
    complaint = (await casare("dlq", "edit", str(dead))).complaint(2)
    (kept,) = editor.parent.glob("casare-*")
    assert complaint.endswith(f"what you wrote is in {kept}")
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    assert "cannot be started" in (await casare("dlq", "edit", str(dead))).complaint(1)
    monkeypatch.setenv("VISUAL", "false")
    assert "ended with exit code 1: nothing was changed" in (await casare("dlq", "edit", str(dead))).complaint(1)
    await producer.redrive_jobs([dead])
    assert (await casare("dlq", "edit", str(dead))).complaint(1) == f"job {dead} is PENDING, not a dead letter"
