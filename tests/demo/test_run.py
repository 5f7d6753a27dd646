"""The demo as people run it: a process of its own, real robots, a real crash; and nothing is left behind, however it ends."""

import contextlib
import csv
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from tests.demo.distribution import Distribution

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes have our mark"),
]

PROGRAM = "import sys; from pathlib import Path; from casare_rpa.demo import main; sys.exit(main(Path(sys.argv[1]), quiet=False))"


class Demo:
    """A running demo. Its mark, inherited by all of its processes, finds them wherever they went."""

    def __init__(self, output: Path, temporary: Path, more: dict[str, str]) -> None:
        self.temporary = temporary
        self._mark = f"CASARE_DEMO_MARK={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        # What the user has set for a queue of his own must not matter.
        others = {"PGQUEUER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "PGQUEUER_MAX_RETRIES": "nonsense"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "error", "-c", PROGRAM, str(output)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | others | {name: value, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"} | more,
            process_group=0,
        )
        self.said: list[str] = []

    def says(self, text: str) -> None:
        """Read until a line holds the text."""
        assert self.process.stdout is not None
        while text not in (self.said[-1] if self.said else ""):
            line = self.process.stdout.readline()
            assert line, f"it ended without saying {text!r}: {self.said}, {self.process.communicate()[1]}"
            self.said.append(line)

    def ended(self, within: float) -> tuple[int, str]:
        """Return the exit code and what it said to standard error."""
        out, errors = self.process.communicate(timeout=within)
        self.said += out.splitlines()
        return self.process.returncode, errors

    def processes(self) -> list[str]:
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and self._mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return found

    def everything_is_gone(self, within: float = 0) -> None:
        deadline = time.monotonic() + within
        while left := [*self.processes(), *map(str, self.temporary.iterdir())]:
            assert time.monotonic() <= deadline, f"left behind: {left}"
            time.sleep(0.05)


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as undo:
        temporary = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="demo-test-")))

        def begin(**more: str) -> Demo:
            demo = Demo(tmp_path / "demo-output", temporary, more)
            undo.enter_context(demo.process)
            undo.callback(demo.process.kill)
            return demo

        yield begin


def test_every_promise_is_kept(start, tmp_path):
    began = time.monotonic()
    demo = start()
    demo.says("robots listen")
    arguments = demo.processes()
    assert sum("casare_rpa.demo.worker" in line for line in arguments) == 4
    assert not any("postgresql://" in line for line in arguments)
    code, errors = demo.ended(within=90)
    assert (code, errors) == (0, "")
    assert time.monotonic() - began < 60
    demo.everything_is_gone()

    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    report = json.loads((tmp_path / "demo-output" / "report.json").read_text())
    waits = report.pop("submit_to_claim_ms")
    assert report.pop("retried") >= 1
    assert report == {
        "submitted": len(installed) + 2,
        "completed": len(installed) + 1,
        "dead_lettered": 1,
        "redriven": 1,
        "cancelled": 1,
        "lost": 0,
        "settled_twice": 0,
    }
    assert 0 < waits["p50"] <= waits["p95"] <= waits["p99"] < 20_000

    with (tmp_path / "demo-output" / "inventory.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"].lower() for row in rows] == sorted(installed)
    assert sum(int(row["bytes"]) for row in rows) > 10_000_000
    assert len({row["verified_by"] for row in rows}) >= 3
    assert any(int(row["attempts"]) > 1 for row in rows)
    assert sorted(path.name for path in (tmp_path / "demo-output").iterdir()) == ["inventory.csv", "report.json"]


def test_a_changed_distribution_is_named_and_fails_the_demo(start, tmp_path):
    sample = Distribution(tmp_path / "more").write()
    (sample.lib / "sample/__init__.py").write_bytes(b"ANSWER = 43\n")
    demo = start(PYTHONPATH=str(sample.lib))
    code, errors = demo.ended(within=90)
    count = 1 + len(list(importlib.metadata.distributions()))
    assert code == 1
    assert errors.splitlines() == [
        "off: jobs that went to the dead letters: 2, must be 1",
        "off: jobs left in the dead letters: 1, must be 0",
        "off: sample-1.0 is a dead letter: BusinessError: sample/__init__.py was changed: its sha256 is not the one in RECORD",
        f"off: {count} distributions are installed, but {count - 1} are in the inventory",
    ]
    assert json.loads((tmp_path / "demo-output" / "report.json").read_text())["dead_lettered"] == 2
    assert "sample" not in (tmp_path / "demo-output" / "inventory.csv").read_text()
    demo.everything_is_gone()


@pytest.mark.parametrize(
    ("sent", "moment"),
    [(signal.SIGINT, "was killed"), (signal.SIGTERM, "jobs are submitted"), (signal.SIGINT, "PostgreSQL listens")],
)
def test_interrupted(start, tmp_path, sent, moment):
    demo = start()
    demo.says(moment)
    if sent == signal.SIGINT:
        os.killpg(demo.process.pid, sent)  # as a terminal does
    else:
        demo.process.send_signal(sent)
    code, errors = demo.ended(within=30)
    assert (code, errors) == (130, "The demo was interrupted; its robots and its server are gone\n")
    demo.everything_is_gone()
    assert list((tmp_path / "demo-output").iterdir()) == []


def test_killed(start):
    demo = start()
    demo.says("jobs are submitted")
    demo.process.kill()
    demo.ended(within=30)
    # Nobody is left to delete the folder with what its robots said.
    deadline = time.monotonic() + 20
    while demo.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demo.processes() == []


def test_where_nothing_can_be_written(start, tmp_path):
    (tmp_path / "demo-output").write_text("a file of mine", encoding="utf-8")
    demo = start()
    code, errors = demo.ended(within=30)
    assert code == 2
    assert errors.startswith("The demo could not be carried out: ")
    assert "demo-output cannot be written" in errors
    assert "Traceback" not in errors
    demo.everything_is_gone()
    assert (tmp_path / "demo-output").read_text(encoding="utf-8") == "a file of mine"
