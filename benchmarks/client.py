"""A client program: started, told its order, listened to, and killed with all its children when it takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from benchmarks.order import Answer, Order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import IO

ROOT = Path(__file__).resolve().parent.parent
_NOT_THEIRS = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
"""Variables of the caller's: without a buffer a long line may be written in part, and without bytecode every start takes longer."""
_TAIL = 15
"""Lines of stderr that are shown when a program fails."""


class ClientFailed(Exception):
    """A program did not answer: its error, or how it ended, and the end of its stderr."""


class ClientCannot(Exception):
    """A program said that its system cannot do this, and why."""


class Client:
    """A running client program. Leaving the block kills what is left of it."""

    def __init__(self, argv: Sequence[str], order: Order, limit: float) -> None:
        """Start `argv` in the repository's folder and give it `order`; it must have answered within `limit` seconds."""
        self._name = f"{Path(argv[-1]).name}: {order.do}"
        self._limit = limit
        self._deadline = time.monotonic() + limit
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=_TAIL)
        pipe = subprocess.PIPE
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_THEIRS}
        self._process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._threads = [
            threading.Thread(target=target, args=(stream,), daemon=True)
            for target, stream in ((self._read_events, self._process.stdout), (self._read_stderr, self._process.stderr))
        ]
        for thread in self._threads:
            thread.start()
        self.say(order.to_json())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def wait_for(self, *names: str) -> dict[str, Any]:
        """Return the next event that has one of these names.

        Raises:
            ClientFailed: the program failed, ended without it, or took too long; it is killed.
            ClientCannot: it said that its system cannot do this.

        """
        while True:
            event = self._next_event()
            if event["event"] in names:
                return event
            if event["event"] == "cannot":
                raise ClientCannot(str(event.get("why")))
            if event["event"] == "error":
                raise self._failed(str(event.get("error")))

    def answer(self) -> Answer:
        """Return its answer, when the program has ended. Raises as `wait_for` does, also when it exits with an error."""
        found = Answer.from_event(self.wait_for("answer"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, self._deadline - time.monotonic()))
        if self._process.returncode != 0:
            raise self._failed(f"answered, but its exit code is {self._process.returncode} (None: it still ran)")
        return found

    def say(self, line: str) -> None:
        """Send it a line, such as ``stop``. A program that has ended is not told: what is read next says so."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()

    def cpu_seconds(self) -> float:
        """Return the CPU time of the program and its children so far. Raises ClientFailed when it has ended."""
        try:
            program = psutil.Process(self._process.pid)
            times = [each.cpu_times() for each in (program, *program.children(recursive=True))]
        except psutil.NoSuchProcess:
            raise self._failed("ended while its CPU time was read") from None
        return float(sum(each.user + each.system for each in times))

    def kill(self) -> None:
        """Kill the program and everything that it started; nothing to do when it has ended."""
        if self._process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self._process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
            self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _next_event(self) -> dict[str, Any]:
        try:
            event = self._events.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            raise self._failed(f"took longer than {self._limit:.0f} s") from None
        if event is None:
            self._process.wait()
            raise self._failed(f"ended without an answer, exit code {self._process.returncode}")
        return event

    def _failed(self, why: str) -> ClientFailed:
        self.kill()
        return ClientFailed("\n  ".join([f"{self._name}: {why}", *self._stderr]))

    def _read_events(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if isinstance(event, dict) and "event" in event:
                self._events.put(event)
            else:
                self._stderr.append(line.rstrip())
        self._events.put(None)

    def _read_stderr(self, stream: IO[str]) -> None:
        for line in stream:
            self._stderr.append(line.rstrip())


def ask(argv: Sequence[str], order: Order, limit: float) -> Answer:
    """Let a program carry out an order that needs nothing in between, and return its answer. Raises as `Client.answer`."""
    with Client(argv, order, limit) as client:
        return client.answer()
