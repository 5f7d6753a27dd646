"""Runs a handler for one job and says how the attempt ended."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import BusinessError, InvalidJob
from casare_rpa.foundation.jsontext import make_safe, safe_text, to_json
from casare_rpa.infrastructure.queue.settlement import Settlement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from casare_rpa.infrastructure.queue.models import JobModel

MAX_ERROR_BYTES = 65_536
"""Bytes kept of an error text."""


async def execute(job: JobModel, handler: Callable[[JobModel], Awaitable[Any]], result_limit: int) -> Settlement:
    """Await the handler and return the settlement of this attempt; its cancellation passes through.

    An exception is an application error, `BusinessError` a business one, running past the time limit an application error. A
    result that cannot be stored is a business error: running the job again would not make it storable.
    """
    limit = None
    try:
        if job.time_limit is None:
            result = await handler(job)
        else:
            async with asyncio.timeout(job.time_limit) as limit:
                result = await handler(job)
        return completed(job, result, result_limit)
    except BusinessError as error:
        return failed(job, error, business=True)
    except InvalidJob as error:
        return failed(job, error, business=True)
    except TimeoutError as error:
        if limit is None or not limit.expired():
            return failed(job, error)
        return failed(job, f"the attempt ran longer than its time limit of {job.time_limit:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the job's error
        return failed(job, error)


def completed(job: JobModel, result: Any, result_limit: int) -> Settlement:
    """Return the settlement of a completed attempt.

    Raises:
        InvalidJob: the result is not JSON, or is over the limit.

    """
    text = None if result is None else to_json(make_safe(result), "result", result_limit)
    return Settlement(*_lease(job), "completed", result=text)


def failed(
    job: JobModel, error: str | BaseException, *, business: bool = False, retry_in: float | None = None
) -> Settlement:
    """Return the settlement of a failed attempt; the error's text is made safe and cut to 64 KiB."""
    return Settlement(*_lease(job), "business" if business else "failed", error=error_text(error), retry_in=retry_in)


def released(job: JobModel) -> Settlement:
    """Return the settlement of an attempt that is handed back unharmed."""
    return Settlement(*_lease(job), "released")


def error_text(error: str | BaseException) -> str:
    """Return what is kept of an error: its message first, then where it came from, at most 64 KiB with a note of what was cut."""
    if isinstance(error, BaseException):
        text = f"{type(error).__name__}: {error}"
        if not isinstance(error, BusinessError | InvalidJob):
            text += "\n" + "".join(traceback.format_exception(error))
    else:
        text = str(error)
    encoded = safe_text(text).encode()
    if len(encoded) <= MAX_ERROR_BYTES:
        return encoded.decode()
    note = f" [{len(encoded)} bytes in all, cut here]"
    return encoded[: MAX_ERROR_BYTES - len(note)].decode(errors="ignore") + note


def _lease(job: JobModel) -> tuple[Any, Any]:
    if job.id is None or job.lease_token is None:
        raise InvalidJob("this job holds no lease: only a claimed job can be started or settled")
    return job.id, job.lease_token
