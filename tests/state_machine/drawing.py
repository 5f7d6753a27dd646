"""What `docs/state_machine.md` must show, and how it is read from there.

`python -m tests.state_machine.drawing` prints the tables and the edges of the drawing as they must stand in the document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.state_machine.transitions import FUNCTIONS, REFUSALS, TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

_EDGE = re.compile(r"^ *(\S+) --> (\S+): (.+)$")


def edges() -> set[tuple[str, str, str]]:
    """(from, to, operation) of everything that moves a job from one state to another or back to the same."""
    return {(row.state.name, row.to.name, row.operation) for row in TRANSITIONS} | {("DEFERRED", "DUE", "time")}


def transitions() -> list[tuple[str, ...]]:
    """The rows of the table of what changes a job."""
    return [
        (
            row.state.name,
            row.operation,
            f"`{FUNCTIONS[row.operation]}`",
            _list(row.when),
            row.answer,
            row.to.name,
            _list(row.writes),
        )
        for row in TRANSITIONS
    ]


def refusals() -> list[tuple[str, ...]]:
    """The rows of the table of what changes nothing: the states in which an operation answers alike share one."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for row in REFUSALS:
        key = (row.operation, f"`{FUNCTIONS[row.operation]}`", _list(row.when), row.answer)
        rows.setdefault(key, []).append(row.state.name)
    return [(*key[:3], ", ".join(states), key[3]) for key, states in rows.items()]


def edges_of(text: str) -> set[tuple[str, str, str]]:
    """The edges of the Mermaid drawing in a document."""
    drawing = text.partition("```mermaid")[2].partition("```")[0]
    found = [match.groups() for line in drawing.splitlines() if (match := _EDGE.match(line))]
    return {(_state(a), _state(b), operation) for a, b, label in found for operation in label.split(", ")}


def table_of(text: str, heading: str) -> list[tuple[str, ...]]:
    """The rows of the table below a heading of a document."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in row) for row in rows[1:]]


def _state(name: str) -> str:
    return "ABSENT" if name == "[*]" else name


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "-"


def _print() -> None:
    for rows in (transitions(), refusals()):
        print("\n".join(f"| {' | '.join(row)} |" for row in rows), end="\n\n")
    joined: dict[tuple[str, str], list[str]] = {}
    for source, target, operation in sorted(edges()):
        joined.setdefault((source, target), []).append(operation)
    for (source, target), operations in joined.items():
        print(f"    {source} --> {target}: {', '.join(operations)}".replace("ABSENT", "[*]"))


if __name__ == "__main__":
    _print()
