"""The folder that the demo's results go to. A result is there as a whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from casare_rpa.demo.errors import CannotRunError

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = "inventory.csv"
REPORT = "report.json"


def prepare(folder: Path) -> None:
    """Make the folder if there is none, see whether it can be written, and remove the results of an earlier run.

    Raises:
        CannotRunError: it cannot be made or written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (INVENTORY, REPORT):
            (folder / name).unlink(missing_ok=True)
            _scratch(folder / name).touch()
            _scratch(folder / name).unlink()
    except OSError as error:
        raise _refused(folder, error) from None


def write(path: Path, text: str) -> None:
    """Write a result.

    Raises:
        CannotRunError: it cannot be written; nothing half written is left.

    """
    scratch = _scratch(path)
    try:
        try:
            scratch.write_text(text, encoding="utf-8", newline="")
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error) from None


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _refused(path: Path, error: OSError) -> CannotRunError:
    return CannotRunError(f"{path} cannot be written: {error.strerror or error}. Choose another folder for the results")
