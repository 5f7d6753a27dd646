"""Which failures of a call mean that the database was away, and what the others are called in our vocabulary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from casare_rpa.foundation.errors import (
    CasareError,
    DatabaseReadOnly,
    DatabaseUnavailable,
    DuplicateReference,
    InvalidJob,
    JobNotFound,
    NotADeadLetter,
    NotPermitted,
    QueueNotFound,
    SchemaMissing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_PASSING_SQLSTATES = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available
        "57014",  # query_canceled, by a timeout of ours
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
    }
)
_PASSING_CLASSES = ("08", "53")
"""Broken connections; a server that has run out of connections, memory or disk."""
_MEANINGS: dict[str, Callable[[str], CasareError]] = {
    "CR002": QueueNotFound,
    "CR004": InvalidJob,
    "CR006": NotADeadLetter,
    "42501": NotPermitted,
}
"""What the error's own message is all that is to be said of."""
_MISSING_SQLSTATES = frozenset({"3F000", "42883", "42P01"})


def is_passing(error: BaseException) -> bool:
    """Return whether the same call may succeed later: the connection broke, timed out, or the server is starting or stopping.

    Whether the call took effect is unknown then.
    """
    if isinstance(error, CasareError):
        return isinstance(error, DatabaseUnavailable)
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state in _PASSING_SQLSTATES or state.startswith(_PASSING_CLASSES)
    if isinstance(error, asyncpg.InterfaceError):
        text = str(error)
        return "closed" in text or "released" in text or "another operation" in text or "terminated" in text
    # asyncpg finds itself in the middle of another step when a connection breaks at the wrong moment.
    return isinstance(error, OSError | TimeoutError | EOFError | asyncpg.InternalClientError)


def translate(error: BaseException) -> BaseException:
    """Return the error of our vocabulary that says what PostgreSQL's error means, or the same error when there is none."""
    if isinstance(error, CasareError):
        return error
    if is_passing(error):
        # It may be away, or busy with this very call.
        reached = "did not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
        return DatabaseUnavailable(f"PostgreSQL {reached}: {describe(error)}")
    if not isinstance(error, asyncpg.PostgresError):
        return error
    return _from_sqlstate(error, error.sqlstate or "")


def describe(error: BaseException) -> str:
    """Return one line about an error that holds no connection string."""
    return f"{type(error).__name__}: {error}".splitlines()[0] if str(error) else type(error).__name__


def _from_sqlstate(error: BaseException, state: str) -> BaseException:
    message = str(getattr(error, "message", None) or error)
    if (meaning := _MEANINGS.get(state)) is not None:
        return meaning(message)
    match state:
        case "CR001":
            return JobNotFound("", message)
        case "CR003":
            detail = json.loads(getattr(error, "detail", None) or "{}")
            return DuplicateReference(detail["reference"], UUID(detail["job_id"]))
        case "CR005":
            hint = getattr(error, "hint", None)
            return NotPermitted(f"{message} ({hint})" if hint else message)
        case "54000":
            return DatabaseUnavailable(
                f"a limit of the server is reached: {message}. If it is its queue of notifications, a session that "
                "listens has been in a transaction for long: `casare doctor` says which may be it"
            )
        case "25006":
            return DatabaseReadOnly(f"the database takes no writes: {message}")
        case "28P01" | "28000" | "3D000":
            return DatabaseUnavailable(f"PostgreSQL refused the connection: {message}")
    if state in _MISSING_SQLSTATES:
        return SchemaMissing(
            f"the queue's schema is missing or older than this program ({message}): run `casare migrate`"
        )
    return error
