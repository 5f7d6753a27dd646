"""The demo: robots audit the Python installation it runs in, one is killed on the way, and the database tells the end."""

from __future__ import annotations

import asyncio
import math
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from casare_rpa.demo import output as results
from casare_rpa.demo.errors import CannotRunError
from casare_rpa.demo.installed import find_installed
from casare_rpa.demo.inventory import to_csv
from casare_rpa.demo.play import OWN_JOBS, ROBOTS, play
from casare_rpa.demo.screen import open_screen, show_error, show_result
from casare_rpa.embedded import EmbeddedPostgres, EmbeddedPostgresError
from casare_rpa.infrastructure.queue import CasareError, QueueConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from casare_rpa.demo.play import Results

KEPT, BROKEN, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


def main(output: Path, quiet: bool = False) -> int:
    """Run the demo and return the exit code: 0 every promise was kept, 1 one was not, 2 it could not be carried out.

    Ctrl-C and SIGTERM end it in order, with 130. It must be called from the main thread, and takes 60 seconds at most.

    Args:
        output: the folder for ``inventory.csv`` and ``report.json``, made when it is missing; those of an earlier run go.
        quiet: show plain lines without the progress, also on a terminal.

    """
    began = time.monotonic()
    try:
        with _interrupted_by_sigterm():
            results.prepare(output)
            found = _run(quiet=quiet)
        results.write(output / results.INVENTORY, to_csv(found.items))
        results.write(output / results.REPORT, found.report.to_json())
    except (CannotRunError, EmbeddedPostgresError, CasareError, OSError) as error:
        show_error(f"The demo could not be carried out: {error}")
        return CANNOT_RUN
    except KeyboardInterrupt:
        show_error("The demo was interrupted; its robots and its server are gone")
        return INTERRUPTED
    show_result(found.report, found.broken, time.monotonic() - began, output)
    return BROKEN if found.broken else KEPT


def _run(*, quiet: bool) -> Results:
    installed = find_installed()
    screen = open_screen(quiet=quiet)
    try:
        with tempfile.TemporaryDirectory(prefix="casare-demo-") as folder, EmbeddedPostgres() as server:
            screen.step(f"PostgreSQL listens on port {server.port} of 127.0.0.1, for the demo alone")
            playing = play(_config(server.url, len(installed) + OWN_JOBS), installed, Path(folder), screen)
            try:
                return asyncio.run(playing)
            finally:
                playing.close()  # Ctrl-C may come before the event loop runs, and Python would complain of it
    finally:
        screen.close()


def _config(url: str, jobs: int) -> QueueConfig:
    """Return settings with which `jobs` find a free slot each, and none waits for long when its robot has died."""
    slots = math.ceil(jobs / len(ROBOTS))
    return QueueConfig(
        database_url=url,
        queue_name="demo",
        visibility_timeout=5,
        max_concurrent_jobs=slots,
        batch_size=slots,
        shutdown_grace=2,
        outage_patience=10,
    )


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that it leaves nothing behind either.

    While an event loop runs, that is not to raise at once: an exception in the middle of asyncpg's own code crashed the process.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        do_what_ctrl_c_does = signal.getsignal(signal.SIGINT)
        if not callable(do_what_ctrl_c_does):  # SIGINT is ignored, as in the background of a shell
            raise KeyboardInterrupt
        do_what_ctrl_c_does(number, frame)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
