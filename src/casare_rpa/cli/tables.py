"""Tables for people. Into a pipe they are as wide as they need to be, one line a row; in a terminal they are folded.

A terminal that is too narrow even for folded columns gets fewer of them, and one that is too narrow for those gets lines that are
longer than it.
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
    """A column: its title, on which side its words stand, and what a narrow terminal does to it.

    It may break the words, cut them at the end, keep so many characters of them, and leave the column out: the higher the sooner.
    """

    title: str
    side: Literal["left", "right"] = "left"
    breaks: bool = False
    cut: bool = False
    keeps: int = _NARROWEST
    goes: int = 0


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, titles: bool = True) -> None:
    """Print rows, below the titles of their columns unless those stand there already."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns, cells = _that_fit(columns, cells)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold", show_header=titles)
    for number, column in enumerate(columns):
        table.add_column(
            column.title,
            justify=column.side,
            no_wrap=not column.breaks,
            overflow="fold",
            min_width=min(column.keeps, _whole(column, number, cells)) if column.breaks else None,
        )
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


def _that_fit(columns: Sequence[Column], rows: list[list[Text]]) -> tuple[Sequence[Column], list[list[Text]]]:
    """Return the columns, and their cells, for which the terminal has room; all of them for a pipe."""
    room = _Terminal().width
    kept = list(range(len(columns)))
    while True:
        chosen, cells = [columns[number] for number in kept], [[row[number] for number in kept] for row in rows]
        going = max(kept, key=lambda number: columns[number].goes)
        if columns[going].goes == 0 or _least_width(chosen, cells) <= room:
            _cut(chosen, cells, room)
            return chosen, cells
        kept.remove(going)


def _cut(columns: Sequence[Column], rows: list[list[Text]], room: int) -> None:
    """Cut the cells of columns that may be cut to what the others leave."""
    for number, column in enumerate(columns):
        if column.cut:
            others = sum(_whole(other, place, rows) for place, other in enumerate(columns) if place != number)
            for row in rows:
                row[number].truncate(max(column.keeps, room - others - _GAP * len(columns)), overflow="ellipsis")


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> int:
    """Return how wide the table is when every column that may be folded is as narrow as it gets."""
    width = 0
    for number, column in enumerate(columns):
        whole = _whole(column, number, rows)
        width += _GAP + (min(whole, column.keeps) if column.breaks else whole)
    return width


def _whole(column: Column, number: int, rows: Sequence[Sequence[Text]]) -> int:
    return max([cell_len(column.title), *(row[number].cell_len for row in rows)])


class _Terminal(Console):
    """Stdout, at least so wide, without any meaning given to what a text contains."""

    def __init__(self, at_least: int = 0) -> None:
        super().__init__(file=sys.stdout, markup=False, highlight=False, emoji=False)
        self.width = max(self.width, at_least) if sys.stdout.isatty() else _UNBOUNDED

    def on_broken_pipe(self) -> None:
        """Leave it to `guard`, which knows the exit code, instead of leaving the program here."""
        raise  # noqa: PLE0704 - Rich calls this while it handles the BrokenPipeError
