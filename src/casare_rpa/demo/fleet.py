"""The demo's robots: processes that are started, watched, killed and ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from casare_rpa.demo.errors import PromiseBrokenError
from casare_rpa.embedded.system import DETACHED
from casare_rpa.infrastructure.queue.config import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casare_rpa.infrastructure.queue import QueueConfig

PATIENCE = 10.0
"""Seconds that robots get to end by themselves."""


class Fleet:
    """Robots, each a process of its own; what each of them says goes to a file in `log_folder`."""

    def __init__(self, config: QueueConfig, log_folder: Path) -> None:
        self._environment = _environment(config)
        self._log_folder = log_folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: set[str] = set()

    def start(self, robot: str) -> None:
        """Start the process of a robot with this name."""
        with self._log(robot).open("wb") as output:
            self._processes[robot] = subprocess.Popen(
                # Without -P, Python would import from whatever folder the demo was started in.
                [sys.executable, "-P", "-m", "casare_rpa.demo.worker", robot],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._environment,
                **DETACHED,
            )

    def kill(self, robot: str) -> None:
        """Kill a robot's process, without a word of warning, and return when it is dead."""
        self._killed.add(robot)
        self._processes[robot].kill()
        self._processes[robot].wait()

    def check(self) -> None:
        """Raise `PromiseBrokenError` when a robot has ended that nobody killed."""
        for robot, process in self._processes.items():
            if robot not in self._killed and process.poll() is not None:
                raise PromiseBrokenError(self._obituary(robot))

    def stop(self) -> list[str]:
        """Let the robots end, kill those that do not within 10 s, and return a line for each that did not end well."""
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        deadline = time.monotonic() + PATIENCE
        try:
            for process in self._processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also after a second Ctrl-C
            for process in self._processes.values():
                process.kill()  # does nothing to one that has ended
                process.wait()
        bad = [r for r, p in self._processes.items() if p.returncode != 0 and r not in self._killed]
        return [self._obituary(robot) for robot in bad]

    def _obituary(self, robot: str) -> str:
        said = self._log(robot).read_text(encoding="utf-8", errors="replace").strip()
        return f"{robot} ended with exit code {self._processes[robot].returncode}: {said or 'it said nothing'}"

    def _log(self, robot: str) -> Path:
        return self._log_folder / f"{robot}.log"


@contextlib.contextmanager
def fleet(config: QueueConfig, robots: Sequence[str], log_folder: Path) -> Iterator[Fleet]:
    """Start robots, and see to it that none is left at the end, whatever happens."""
    opened = Fleet(config, log_folder)
    try:
        for robot in robots:
            opened.start(robot)
        yield opened
    finally:
        opened.stop()


def _environment(config: QueueConfig) -> dict[str, str]:
    """Return the environment of a robot: ours, with the demo's settings in place of the caller's for his own queue."""
    settings = config.model_dump()
    values = {
        variable: str("" if settings[field] is None else settings[field]) for field, variable in VARIABLES.items()
    }
    return os.environ | values
