"""The inventory: what is installed, as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet may take for the beginning of a formula; the last four are the signs in East Asian width."""


@dataclass(frozen=True)
class Item:
    """A distribution: what it says of itself, what was verified of it, by which robot and in how many attempts."""

    name: str
    version: str
    licence: str
    files: int
    skipped: int
    bytes: int
    verified_by: str
    attempts: int


def to_csv(items: Iterable[Item]) -> str:
    """Return the inventory as CSV, sorted by name. Texts of strangers are made harmless: none begins like a formula."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(field.name for field in fields(Item))
    for item in sorted(items, key=lambda item: (item.name.lower(), item.version)):
        writer.writerow(neutralize(cell) if isinstance(cell, str) else cell for cell in astuple(item))
    return table.getvalue()


def neutralize(cell: str) -> str:
    """Return the text with an apostrophe before it when a spreadsheet could run it as a formula."""
    begins = cell.startswith(FORMULA) or cell.lstrip().startswith(FORMULA)
    return f"'{cell}" if begins else cell
