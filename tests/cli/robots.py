"""Functions for `casare work`, imported by it from the current folder."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue import BusinessError

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import JobModel

number = 7


async def asynchronous(job: JobModel) -> dict[str, Any]:
    assert threading.current_thread() is threading.main_thread()
    return {"doubled": job.payload["n"] * 2}


def synchronous(job: JobModel) -> dict[str, Any]:
    assert threading.current_thread() is not threading.main_thread()
    time.sleep(0.01)
    return {"doubled": job.payload["n"] * 2}


class Robot:
    async def work(self, job: JobModel) -> str:
        return f"method {job.payload['n']}"

    async def __call__(self, job: JobModel) -> str:
        return f"object {job.payload['n']}"


robot = Robot()
part = functools.partial(lambda word, job: f"{word} {job.payload['n']}", "part")


def hidden(job: JobModel) -> Any:
    """Look synchronous, as an async function behind some decorators does."""
    return _answer(job)


async def _answer(job: JobModel) -> str:
    return f"hidden {job.payload['n']}"


def refuse(_: JobModel) -> None:
    raise BusinessError("bad data \x1b[31m")


async def fail(_: JobModel) -> None:
    raise ValueError("the system was down")


def leave(_: JobModel) -> None:
    sys.exit(3)


async def leave_async(_: JobModel) -> None:
    sys.exit(3)


def stop_iteration(_: JobModel) -> None:
    raise StopIteration


async def hang(_: JobModel) -> None:
    await asyncio.Event().wait()


def hang_in_thread(_: JobModel) -> None:
    time.sleep(1000)


def finish_when_told(job: JobModel) -> str:
    """Say that the job has begun, and end when its file is there."""
    Path(job.payload["file"] + ".begun").touch()
    while not Path(job.payload["file"]).exists():
        time.sleep(0.01)
    return "told"


def takes_nothing() -> None: ...


def takes_two(_job: JobModel, _more: int) -> None: ...
