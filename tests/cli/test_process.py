"""The program as a process: what no run may do to the terminal, the pipe or the patience of who started it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from casare_rpa import __version__
from casare_rpa.infrastructure.queue import JobModel
from tests.cli.conftest import PROGRAM, ended

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer
    from tests.cli.conftest import Casare, Start

HEAVY = ("pydantic", "asyncpg", "rich", "casare_rpa.infrastructure.queue", "casare_rpa.demo")


async def test_a_job_from_the_shell(start: Start, database: str) -> None:
    job_id = (await ended(await start("jobs", "submit", "w", "--payload", '{"a": 1}'))).done().strip()
    shown = (await ended(await start("jobs", "show", job_id, "--json"))).json()
    assert (shown["id"], shown["payload"]) == (job_id, {"a": 1})
    assert job_id in (await ended(await start("jobs", "list"))).done()


async def test_version(start: Start) -> None:
    assert (await ended(await start("--version"))).done() == f"casare {__version__}\n"


async def test_help_names_the_variables_and_the_exit_codes(casare: Casare) -> None:
    shown = (await casare("--help")).done()
    assert "PGQUEUER_DATABASE_URL" in shown
    assert "  3    the database cannot be reached" in shown
    for command in ("migrate", "work", "demo", "jobs submit", "jobs list", "jobs show", "jobs cancel", "dlq redrive"):
        assert f"casare {command}" in (await casare(*command.split(), "--help")).done()


def test_help_imports_nothing_heavy() -> None:
    program = f"""
import sys
from casare_rpa.cli import main
code = main(["--help"])
sys.exit(code or [name for name in {HEAVY!r} if name in sys.modules] or 0)
"""
    help_ = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (help_.returncode, help_.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--json"], []])
async def test_a_reader_that_goes_away(database: str, producer: PgQueuerProducer, arguments: list[str]) -> None:
    await producer.enqueue_batch([JobModel(workflow="w" * 200) for _ in range(1000)])
    code, err = await asyncio.to_thread(read_one_line, "jobs", "list", "--limit", "1000", *arguments)
    assert (code, err) == (141, "")


def read_one_line(*arguments: str) -> tuple[int, str]:
    """Read one line of stdout, close it, and return the exit code and stderr."""
    assert PROGRAM is not None
    with subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() != ""
        process.stdout.close()
        return process.wait(timeout=15), process.stderr.read()


@pytest.mark.skipif(os.name == "nt", reason="/dev/full is POSIX")
def test_output_that_cannot_be_written() -> None:
    assert PROGRAM is not None
    with open("/dev/full", "w") as full:  # noqa: PTH123
        full_disk = subprocess.run([PROGRAM, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert full_disk.returncode == 1
    assert full_disk.stderr.startswith("casare: unexpected OSError: [Errno 28]")
    assert full_disk.stderr.count("\n") == 1
    for redirection, code in ((">&-", 0), (">&- 2>&-", 0), ("2>&-", 2)):
        command = f'"$0" {"--version" if code == 0 else "sing"} {redirection}'
        closed = subprocess.run(["sh", "-c", command, PROGRAM], capture_output=True, text=True, check=False)
        assert (closed.returncode, closed.stderr) == (code, "")


async def test_characters_that_the_terminal_lacks(start: Start, database: str, producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(JobModel(workflow="büro"))
    process = await start("jobs", "list", PYTHONIOENCODING="ascii")
    assert "b\\xfcro" in (await ended(process)).done()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process")
async def test_ctrl_c(start: Start) -> None:
    called = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        process = await start("jobs", "list", PGQUEUER_DATABASE_URL=f"postgresql://u:p@127.0.0.1:{port}/d")
        async with asyncio.timeout(15):
            await called.wait()
        process.send_signal(signal.SIGINT)
        outcome = await ended(process)
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")
async def test_a_person_at_a_terminal_is_asked(database: str, producer: PgQueuerProducer) -> None:
    await producer.enqueue_job(JobModel(workflow="w", queue_name="q"))
    assert "[y/N] " in await asyncio.to_thread(answer, b"n\n", "queue", "purge", "q")
    assert await producer.get_queue_depth("q") == 1
    assert "1 removed" in await asyncio.to_thread(answer, b"y\n", "queue", "purge", "q")
    assert await producer.get_queue_depth("q") == 0


def answer(line: bytes, *arguments: str) -> str:
    """Run the program at a terminal, answer its question, and return what the terminal showed."""
    assert PROGRAM is not None
    ours, its = os.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        with subprocess.Popen([PROGRAM, *arguments], stdin=its, stdout=its, stderr=its) as process:
            os.close(its)
            shown = b""
            while not shown.endswith(b"[y/N] "):
                shown += terminal.read(1000)
            terminal.write(line)
            assert process.wait(timeout=15) == 0
        return (shown + terminal.read(1000)).decode()


async def test_what_nobody_foresaw(
    casare: Casare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(_: object) -> object:
        raise RuntimeError("a\x1b[31m\nb" + "x" * 1000)

    monkeypatch.setattr("casare_rpa.cli.queue_commands.ask", break_down)
    complaint = (await casare("queue", "depth")).complaint(1)
    assert complaint.startswith("unexpected RuntimeError: a\\x1b[31m bxxx")
    assert complaint.endswith("xxx (CASARE_DEBUG=1 shows the traceback)")
    monkeypatch.setenv("CASARE_DEBUG", "1")
    with pytest.raises(AssertionError):
        await casare("queue", "depth")


async def test_debug_shows_where(start: Start) -> None:
    process = await start("jobs", "list", CASARE_DEBUG="1")
    _, err = await process.communicate()
    assert process.returncode == 2
    assert err.startswith(b"Traceback")
    assert err.splitlines()[-1].startswith(b"casare: no database: set PGQUEUER_DATABASE_URL")


async def test_demo_gets_its_arguments(casare: Casare, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def main(*arguments: object) -> int:
        given.extend(arguments)
        return 7

    monkeypatch.setattr("casare_rpa.demo.main", main)
    assert (await casare("demo", "--output", "there", "--quiet")).code == 7
    assert [str(given[0]), given[1]] == ["there", True]
