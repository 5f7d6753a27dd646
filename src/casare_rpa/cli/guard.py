"""Runs the application so that whatever happens ends in an exit code and at most one message."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.main import get_command

from casare_rpa.cli.faults import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

READER_GONE = 141
_COMPLETE = "_CASARE_COMPLETE"
"""Set by a shell that wants to know how a line might go on."""


def run(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run the application with these arguments (None: the process's own) and return the exit code."""
    _prepare_streams()
    try:
        code = _invoke(app, sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return READER_GONE
    except Exception as error:  # noqa: BLE001 - the last one who could say what happened
        return _report(error)
    return code


def _invoke(app: typer.Typer, arguments: Sequence[str]) -> int:
    command = get_command(app)
    try:
        if os.environ.get(_COMPLETE):
            command.main(args=[], prog_name="casare", complete_var=_COMPLETE)
        with command.make_context("casare", list(arguments)) as context:
            code = command.invoke(context)
    except typer.Exit as left:
        code = left.exit_code
    except SystemExit as left:  # how typer ends when it has printed what a shell completes with
        code = left.code
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    message, code = explain(error)
    with contextlib.suppress(OSError):  # there is nobody left to tell
        if os.environ.get("CASARE_DEBUG", "").strip() not in {"", "0"}:
            traceback.print_exception(error)
        sys.stderr.write(f"casare: {message}\n")
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return code
    _drop_output()
    return code


def _prepare_streams() -> None:
    """A closed stream takes everything; characters that the terminal's encoding lacks are written as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it lasts as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let the interpreter's own last flush go nowhere: it would complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
