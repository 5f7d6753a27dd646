"""What went wrong, as one line and an exit code."""

from __future__ import annotations

import re

import typer

from casare_rpa.cli.text import visible
from casare_rpa.foundation.errors import (
    CasareError,
    ConfigError,
    DatabaseReadOnly,
    DatabaseUnavailable,
    InvalidFilter,
    InvalidJob,
    MigrationFailed,
    NotPermitted,
    SchemaMissing,
    SchemaTooNew,
    ServerTooOld,
    WaitTimedOut,
)

FAILED = 1
BAD_INPUT = 2
DATABASE = 3
NOT_PERMITTED = 4
JOB_FAILED = 5
JOB_CANCELLED = 6
TIMED_OUT = 7


_DENIED = re.compile(r"permission denied for function (\w+)")


class CommandFailed(CasareError):
    """The command was understood and could not do what it was asked for."""


class BadInput(CasareError):
    """An argument that cannot be right; the message names it."""


_CODES: tuple[tuple[tuple[type[CasareError], ...], int], ...] = (
    ((BadInput, ConfigError, InvalidFilter, InvalidJob), BAD_INPUT),
    ((DatabaseUnavailable, DatabaseReadOnly, ServerTooOld, SchemaMissing, SchemaTooNew, MigrationFailed), DATABASE),
    ((NotPermitted,), NOT_PERMITTED),
    ((WaitTimedOut,), TIMED_OUT),
    ((CasareError,), FAILED),
)

# Typer makes only this one of its usage errors public; whether the others are click's or its own depends on its release.
_UsageError, _ClickException = typer.BadParameter.__mro__[1:3]


def explain(error: Exception) -> tuple[str, int]:
    """Return what to tell the user about an error, without control characters, and the exit code."""
    if isinstance(error, _ClickException):
        return _usage(error), BAD_INPUT
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return _message(error), code
    text = visible(" ".join(str(error).split())[:500])
    kind = type(error).__name__
    return f"unexpected {kind}{': ' if text else ''}{text} (CASARE_DEBUG=1 shows the traceback)", FAILED


def _message(error: Exception) -> str:
    if isinstance(error, NotPermitted):  # it may hold SQL to be copied
        return "\n".join(visible(line) for line in (str(error) + _missing_role(str(error))).splitlines())
    return visible(" ".join(str(error).split("\n")))


def _missing_role(message: str) -> str:
    """Return which role a login lacks that may not call a function, as a person grants it."""
    if (denied := _DENIED.fullmatch(message)) is None:
        return ""
    from casare_rpa.infrastructure.queue import QueueConfig  # noqa: PLC0415 - only after an error
    from casare_rpa.infrastructure.queue.doctor.checks.grants import RIGHTS  # noqa: PLC0415 - as above

    schema = QueueConfig.from_env().schema_name
    roles = [f'"{schema}_{role}"' for role in sorted(RIGHTS.get(denied[1], ())) or ["owner"]]
    return f": GRANT {' or '.join(roles)} TO this login, or use another one"


def _usage(error: Exception) -> str:
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]  # every click exception has it
    message = message.replace("Value error, ", "").replace(": Input should", ": it should")  # pydantic's words
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context is not None else ""
    return visible(message[:1].lower() + message[1:].rstrip(".")) + hint
