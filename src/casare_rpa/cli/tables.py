"""Tables for people. Into a pipe they are as wide as they need to be, one line a row; in a terminal they are folded.

A terminal that is too narrow even for folded columns gets lines that are longer than it: nothing is left out.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from casare_rpa.cli.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNBOUNDED = 100_000
_NARROWEST = 10
"""Characters that a column keeps however narrow the terminal is."""
_GAP = 2
_STYLES = {
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "dim",
    "RUNNING": "cyan",
    "CLAIMED": "cyan",
    "ok": "green",
    "note": "cyan",
    "warning": "yellow",
    "problem": "bold red",
}


class Column(NamedTuple):
    """A column: its title, on which side its words stand, whether a narrow terminal may break them."""

    title: str
    side: Literal["left", "right"] = "left"
    breaks: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, titles: bool = True) -> None:
    """Print rows, below the titles of their columns unless those stand there already."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold", show_header=titles)
    for column in columns:
        narrowest = _NARROWEST if column.breaks else None
        table.add_column(
            column.title, justify=column.side, no_wrap=not column.breaks, overflow="fold", min_width=narrowest
        )
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        table.add_row(*row)
    _print(table, _least_width(columns, cells))


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values, a pair a line."""
    table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", min_width=_NARROWEST)
    for name, value in fields:
        table.add_row(Text(name, style="bold"), _cell(value))
    _print(table)


def _print(table: Table, at_least: int = 0) -> None:
    terminal = _Terminal(at_least)
    if terminal.is_terminal:
        terminal.print(table)
        return
    with terminal.capture() as captured:
        terminal.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")


def _cell(value: object) -> Text:
    text = "-" if value is None else visible(str(value))
    return Text(text, style=_STYLES.get(text, ""))


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> int:
    """Return how wide the table is when every column that may be folded is as narrow as it gets."""
    width = 0
    for number, column in enumerate(columns):
        whole = max([cell_len(column.title), *(row[number].cell_len for row in rows)])
        width += _GAP + (min(whole, _NARROWEST) if column.breaks else whole)
    return width


class _Terminal(Console):
    """Stdout, at least so wide, without any meaning given to what a text contains."""

    def __init__(self, at_least: int = 0) -> None:
        super().__init__(file=sys.stdout, markup=False, highlight=False, emoji=False)
        self.width = max(self.width, at_least) if sys.stdout.isatty() else _UNBOUNDED

    def on_broken_pipe(self) -> None:
        """Leave it to `guard`, which knows the exit code, instead of leaving the program here."""
        raise  # noqa: PLE0704 - Rich calls this while it handles the BrokenPipeError
