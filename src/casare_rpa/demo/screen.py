"""What the demo shows while it works and at its end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from casare_rpa.demo.report import COUNTED

if TYPE_CHECKING:
    from pathlib import Path

    from casare_rpa.demo.report import Report


class Screen(Protocol):
    """Where the demo's course is shown."""

    def step(self, text: str) -> None:
        """Say that something has happened."""

    def progress(self, total: int, counts: dict[str, int]) -> None:
        """Show how many of `total` jobs wait, run, are done or dead."""

    def close(self) -> None:
        """End the display; closing twice is safe."""


class BarScreen:
    """A bar that moves, on a terminal; steps scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=None, visible=False, counts="")
        self._bar.start()

    def step(self, text: str) -> None:
        self._bar.console.print(Text(printable(text)))

    def progress(self, total: int, counts: dict[str, int]) -> None:
        self._bar.update(self._task, visible=True, total=total, completed=counts["done"], counts=_in_words(counts))

    def close(self) -> None:
        self._bar.stop()


class LineScreen:
    """Plain lines, for files and pipes: steps as they come, the counts every few seconds if at all."""

    def __init__(self, console: Console, every: float | None) -> None:
        self._console = console
        self._every = every
        self._due = time.monotonic()

    def step(self, text: str) -> None:
        self._console.print(Text(printable(text)), soft_wrap=True)

    def progress(self, total: int, counts: dict[str, int]) -> None:
        if self._every is not None and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._every
            self.step(f"{total} jobs: {_in_words(counts)}")

    def close(self) -> None:
        pass


def open_screen(*, quiet: bool) -> Screen:
    """Return a bar on a terminal, plain lines elsewhere; `quiet` is plain lines without the counts in between."""
    console = Console()
    if console.is_terminal and not quiet:
        return BarScreen(console)
    return LineScreen(console, every=None if quiet else 2.0)


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in ("waiting", "running", "done", "dead"))


def show_result(report: Report, broken: list[str], seconds: float, output: Path) -> None:
    """Print the summary, where the results are, and every promise that was not kept (to standard error)."""
    table = Table("jobs", "", title="What the database says", title_justify="left", show_header=False)
    for name in COUNTED:
        table.add_row(name.replace("_", " "), str(getattr(report, name)))
    waits = [getattr(report, name) for name in ("p50", "p95", "p99")]
    shown = " / ".join("-" if ms is None else f"{ms:.1f}" for ms in waits)
    table.add_row("submit to claim, ms: p50 / p95 / p99", shown)
    table.add_row("wall time, s", f"{seconds:.1f}")
    console = Console()
    console.print(table)
    console.print(Text(printable(f"The inventory and the report are in {output}")), soft_wrap=True)
    for text in broken:
        show_error(f"off: {text}")
    if not broken:
        console.print("Every promise was kept.")


def show_error(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def printable(text: str) -> str:
    """Return the text without what could steer a terminal: names and errors come from strangers' files."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
