"""Fixtures: the command line, called in this process where that is enough, else started as the program it is."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from casare_rpa.cli import main
from tests.cli.outcome import Outcome

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

PROGRAM = shutil.which("casare", path=str(Path(sys.executable).parent))


class Casare(Protocol):
    async def __call__(self, *arguments: str, stdin: bytes | None = None) -> Outcome: ...


class Start(Protocol):
    async def __call__(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Process: ...


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # Python then takes a broken pipe's last write for a success
    for name in os.environ:
        if name.startswith(("PGQUEUER_", "CASARE_DEBUG", "PGHOST", "PGUSER", "PGDATABASE", "COLUMNS")):
            monkeypatch.delenv(name)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, database_url: str) -> str:
    """The environment names a migrated database of this test's own."""
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def casare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Casare:
    """Call the command line in this process, in a thread of its own, as it brings its own event loop."""

    async def call(*arguments: str, stdin: bytes | None = None) -> Outcome:
        monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        return Outcome(code, *capsys.readouterr()).check()

    return call


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start the program as a process with this test's environment; what still runs at the end is killed."""
    started: list[Process] = []

    async def start_one(*arguments: str, cwd: Path | None = None, **environment: str) -> Process:
        assert PROGRAM is not None
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: Process, within: float = 30.0) -> Outcome:
    """Return the outcome of a process that ends by itself."""
    async with asyncio.timeout(within):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode()).check()
