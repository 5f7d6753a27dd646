"""What the command line prints, tables aside: lines, notes, blocks of text, JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from casare_rpa.cli.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel


def say(text: str, *, at_once: bool = False) -> None:
    """Print one line to stdout; at once if somebody watches lines come, else when there are enough."""
    sys.stdout.write(f"{visible(text)}\n")
    if at_once:
        sys.stdout.flush()


def note(text: str) -> None:
    """Print one line to stderr: what a person wants to know and a pipe does not."""
    sys.stderr.write(f"casare: {visible(text)}\n")
    sys.stderr.flush()


def print_heading(title: str) -> None:
    """Print the title of what follows."""
    sys.stdout.write(f"\n{title}\n")


def print_block(title: str, text: str) -> None:
    """Print a text of several lines below its title."""
    print_heading(title)
    for line in text.split("\n"):
        sys.stdout.write(f"  {visible(line.expandtabs())}\n")


def print_json(value: Any) -> None:
    """Print one JSON document, in ASCII."""
    sys.stdout.write(f"{json.dumps(value, indent=2)}\n")


class JsonArray:
    """Prints a JSON array, one element a line, in ASCII, as its elements come."""

    def __init__(self) -> None:
        self._separator = "[\n"

    def add(self, value: Any) -> None:
        sys.stdout.write(f"{self._separator}{json.dumps(value)}")
        self._separator = ",\n"

    def end(self) -> None:
        sys.stdout.write("[]\n" if self._separator == "[\n" else "\n]\n")


def print_json_array(values: Iterable[Any]) -> None:
    """Print a JSON array, one element a line, in ASCII."""
    array = JsonArray()
    for value in values:
        array.add(value)
    array.end()


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line, in ASCII, at once."""
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def as_document(model: BaseModel) -> dict[str, Any]:
    """Return a job or attempt as JSON holds it, its fields in the order of their definition."""
    document = model.model_dump(mode="json")
    return {name: document[name] for name in type(model).model_fields}
