"""What the tests of the embedded PostgreSQL share: queries, processes, and programs that own a server."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg

OWNER_PROGRAM = Path(__file__).with_name("owner_program.py")


def query(url: str, sql: str) -> Any:
    async def fetch() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def execute(url: str, sql: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


def eventually(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """Return what `condition` gives once that is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().splitlines()[0])


def processes_in(folder: Path) -> list[int]:
    """Return the living processes that work in `folder`, as PostgreSQL's do in their data directory."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and str((entry / "cwd").readlink()).startswith(str(folder)):
                found.append(int(entry.name))
    return [pid for pid in found if is_alive(pid)]


def arguments_of_all_processes() -> str:
    texts = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal():
                texts.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return "\n".join(texts)


class Owner:
    """Another program that owns a server, started with owner_program.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def told(self) -> dict[str, Any]:
        """Return the next line that the program says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the program ended with {self.process.wait()}"
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def owner(
    *,
    data_dir: Path | None = None,
    prefix: Sequence[str] = (),
    env: dict[str, str] | None = None,
    **arguments: Any,
) -> Iterator[Owner]:
    wanted = {"data_dir": None if data_dir is None else str(data_dir)} | arguments
    process = subprocess.Popen(
        [*prefix, sys.executable, "-W", "error", str(OWNER_PROGRAM), json.dumps(wanted)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
        process_group=0,
    )
    with process:
        try:
            yield Owner(process)
        finally:
            if process.poll() is None:
                process.kill()
