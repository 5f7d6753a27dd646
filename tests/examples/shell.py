"""Runs what the documents tell a reader to type: bash blocks, with robots in the background.

A test that types must have `PGQUEUER_DATABASE_URL` and the current folder set as a reader would.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import shlex
import signal
import string
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from casare_rpa.cli import main
from tests.examples.blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.examples.blocks import Block

# What takes long or installs something is looked at, not done; the examples are run by tests of their own.
_PRELUDE = f"""set -euo pipefail
make() {{ command make --dry-run --directory '{ROOT}' "$@" >/dev/null; }}
python() {{ test -f "$1"; }}
"""
_LOOKED_AT = ["casare", "demo"]
_CASARE = re.compile(r"(?:(?P<name>\w+)=\$\()?(?P<command>casare [^|;&<>()]+?)\)?")
_READY = 20.0


@dataclass(frozen=True)
class Robot:
    """A robot in the background: how it was started, its process, what it says."""

    line: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return f"{self.line}\n{self.log.read_text(encoding='utf-8', errors='replace')}"


class Terminal:
    """A folder in which commands are typed, as in the repository's: `.venv` and `examples` are there."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self._environment = os.environ | {
            "PGQUEUER_DATABASE_URL": database_url,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self._names: dict[str, str] = {}
        self._robots: list[Robot] = []
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "examples").symlink_to(ROOT / "examples")

    @property
    def has_robots(self) -> bool:
        return bool(self._robots)

    def type(self, block: Block) -> None:
        """Run a block; a line that begins with `casare work` starts a robot that works until `close`."""
        lines: list[str] = []
        for line in block.code.splitlines():
            if line.startswith("export PGQUEUER_DATABASE_URL="):
                continue
            if found := _CASARE.fullmatch(line):
                self._run("\n".join(lines), block)
                lines = []
                self._casare(found["command"], found["name"], block)
            else:
                lines.append(line)
        self._run("\n".join(lines), block)

    def close(self) -> None:
        """Ask the robots to stop, and fail unless each of them ends well."""
        for robot in self._robots:
            robot.process.send_signal(signal.SIGTERM)
        for robot in self._robots:
            assert robot.process.wait(20) == 0, robot.said()

    def kill(self) -> None:
        for robot in self._robots:
            robot.process.kill()
            robot.process.wait()

    def _run(self, code: str, block: Block) -> None:
        if not code.strip():
            return
        done = subprocess.run(
            ["bash", "-c", _PRELUDE + code],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        where = f"{block.page.name}:{block.line}"
        assert done.returncode == 0, f"{where}: exit code {done.returncode}\n{code}\n{done.stdout}\n{done.stderr}"

    def _casare(self, line: str, name: str | None, block: Block) -> None:
        """Do what the program would, without the half second that starting it takes each time."""
        if line.startswith("casare work"):
            self.start_robot(line)
            return
        words = [string.Template(word).substitute(self._names) for word in shlex.split(line)]
        if words[:2] == _LOOKED_AT:
            words.append("--help")
        with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output):
            code = main(words[1:])
        assert code == 0, f"{block.page.name}:{block.line}: exit code {code}\n{line}\n{output.getvalue()}"
        if name:
            self._names[name] = output.getvalue().strip()

    def start_robot(self, line: str) -> None:
        """Start a robot, and return when it is ready."""
        log = self.folder / f"robot-{secrets.token_hex(4)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        robot = Robot(line, process, log)
        self._robots.append(robot)
        deadline = time.monotonic() + _READY
        while "works on the queue" not in robot.said():
            assert process.poll() is None, robot.said()
            assert time.monotonic() < deadline, f"not ready within {_READY} s: {robot.said()}"
            time.sleep(0.02)


@contextlib.contextmanager
def terminal(folder: Path, database_url: str) -> Iterator[Terminal]:
    opened = Terminal(folder, database_url)
    try:
        yield opened
    finally:
        opened.kill()
