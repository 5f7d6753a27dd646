"""The vocabulary of errors. Outcomes are values; these are faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID


_LONGEST_REASON = 200


class CasareError(Exception):
    """The root of every error that CasareRPA raises on purpose."""


class ConfigError(CasareError, ValueError):
    """A setting is missing or wrong; the message names the setting or its environment variable."""


class InvalidJob(CasareError, ValueError):
    """A job, or a result of one, that the queue cannot hold; the message names the field."""


class InvalidFilter(CasareError, ValueError):
    """A filter or a cursor that cannot be used; the message names the key."""


class JobNotFound(CasareError, LookupError):
    """There is no job with this id, or none that this login may see."""

    def __init__(self, job_id: UUID | str, message: str | None = None) -> None:
        super().__init__(message or f"there is no job {job_id}")
        self.job_id = job_id


class QueueNotFound(CasareError, LookupError):
    """There is no queue of this name: a queue exists from its first job on."""


class DuplicateReference(CasareError):
    """A job with this reference exists already in its tenant and queue; `job_id` names it."""

    def __init__(self, reference: str, job_id: UUID) -> None:
        super().__init__(f'the reference "{reference}" is taken by job {job_id}')
        self.reference = reference
        self.job_id = job_id


class NotADeadLetter(CasareError):
    """What was asked for can be done to dead letters alone; the message says what the job is instead."""


class WaitTimedOut(CasareError, TimeoutError):
    """A job has not ended within the time that somebody waited for it. It goes on."""

    def __init__(self, job_id: UUID, seconds: float) -> None:
        super().__init__(f"job {job_id} has not ended within {seconds:g} s")
        self.job_id = job_id


class JobFailed(CasareError):
    """A job whose result was waited for has ended without one: FAILED or CANCELLED; `job` is the whole of it.

    The message has the first line of a failed job's error, 200 characters of it at most.
    """

    def __init__(self, job: Any) -> None:
        reason = (
            _first_line(job.error or "") if job.status == "FAILED" else ""
        )  # that of a cancelled job is an older attempt's
        super().__init__(f"job {job.id} has ended {job.status}" + (f": {reason}" if reason else ""))
        self.job = job


class LeaseLost(CasareError):
    """The lease token no longer holds: the job was taken away, settled or cancelled. Nothing was changed."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"the lease on job {job_id} is lost: it ran out, or the job was settled or cancelled")
        self.job_id = job_id


class NotPermitted(CasareError, PermissionError):
    """The database login may not do this."""


class DatabaseUnavailable(CasareError, ConnectionError):
    """PostgreSQL cannot be reached, or did not come back in time."""


class DatabaseReadOnly(CasareError):
    """The database takes no writes: a standby, or a read-only setting."""


class ServerTooOld(CasareError):
    """The PostgreSQL server is older than version 14."""


class SchemaMissing(CasareError):
    """The queue's schema is not in this database, or is older than this program: `casare migrate` mends that."""


class SchemaTooNew(CasareError):
    """The queue's schema is newer than this program can use."""


class MigrationFailed(CasareError):
    """A migration's SQL failed and the whole of it was rolled back; the message names the file."""


class BusinessError(CasareError):
    """Raise it in a handler when the data is bad: the job goes to the dead letters and is not retried."""


def _first_line(text: str) -> str:
    line = next((line for line in map(str.strip, text.splitlines()) if line), "")
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
