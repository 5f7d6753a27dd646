"""Client programs as processes: what they answer, how they fail, and that none of them outlives its time or its block."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks.client import Client, ClientCannot, ClientFailed, ask
from benchmarks.order import Answer, Order

if TYPE_CHECKING:
    from pathlib import Path

ORDER = Order(do="drain", url="postgresql://here", jobs=7)
ECHO = """
import json, sys
order = json.loads(sys.stdin.readline())
print("a library's chatter")
print(json.dumps({"event": "window"}), flush=True)
said = sys.stdin.readline().strip()
print(json.dumps({"event": "answer", "jobs": order["jobs"], "note": said}), flush=True)
"""
SLEEPS_WITH_A_CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
print('{"event": "ready"}', flush=True)
time.sleep(600)
"""


def _program(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", text, *arguments]


def test_a_program_hears_its_order_and_what_is_said_and_answers():
    with Client(_program(ECHO), ORDER, 30) as client:
        client.wait_for("window")
        client.say("stop")
        assert client.answer() == Answer(jobs=7, note="stop")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('print(\'{"event": "error", "error": "no such table"}\'); raise SystemExit(1)', "drain: no such table"),
        ("import sys; sys.exit('gone wrong')", "ended without an answer, exit code 1\n  gone wrong"),
        ('print(\'{"event": "answer"}\', flush=True); raise SystemExit(3)', "its exit code is 3"),
    ],
)
def test_a_program_that_fails(text, why):
    with pytest.raises(ClientFailed) as caught:
        ask(_program(text), ORDER, 30)
    assert why in str(caught.value)


def test_a_program_that_cannot():
    with pytest.raises(ClientCannot, match=r"^it has no bulk$"):
        ask(_program('print(\'{"event": "cannot", "why": "it has no bulk"}\')'), ORDER, 30)


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path):
    began = time.monotonic()
    with Client(_program(SLEEPS_WITH_A_CHILD, str(tmp_path / "pid")), ORDER, 3) as client:
        client.wait_for("ready")
        with pytest.raises(ClientFailed, match="took longer than 3 s"):
            client.answer()
        assert time.monotonic() - began < 20
        _assert_gone(tmp_path / "pid")


def test_a_program_does_not_outlive_the_block(tmp_path):
    with Client(_program(SLEEPS_WITH_A_CHILD, str(tmp_path / "pid")), ORDER, 60) as client:
        client.wait_for("ready")
        assert client.cpu_seconds() > 0
    _assert_gone(tmp_path / "pid")
    with pytest.raises(ClientFailed, match="ended while its CPU time was read"):
        client.cpu_seconds()


def _assert_gone(path: Path) -> None:
    pid = int(path.read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.02)
