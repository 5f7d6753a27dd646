"""Runs a handler for one job and says how the attempt ended."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import BusinessError, InvalidJob
from casare_rpa.foundation.jsontext import MAX_DEPTH, make_safe, safe_text, to_json
from casare_rpa.infrastructure.queue.consuming.settlement import COMPLETED, Ending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from casare_rpa.infrastructure.queue.models import JobModel

MAX_ERROR_BYTES = 65_536
"""Bytes kept of an error text."""


async def execute(job: JobModel, handler: Callable[[JobModel], Awaitable[Any]], result_limit: int) -> Ending:
    """Await the handler and return how this attempt ended; its cancellation passes through.

    Whatever the handler raises is an application error, `BusinessError` a business one, running past the time limit an
    application error. A result that cannot be stored is a business error: another run would not make it storable.
    """
    limit = None
    try:
        if job.time_limit is None:
            result = await handler(job)
        else:
            async with asyncio.timeout(job.time_limit) as limit:
                result = await handler(job)
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BusinessError as error:
        return failed(error, business=True)
    except BaseException as error:  # noqa: BLE001 - also sys.exit() in a handler ends its job, not the robot
        if isinstance(error, TimeoutError) and limit is not None and limit.expired():
            return failed(f"the attempt ran longer than its time limit of {job.time_limit:g} s")
        return failed(error)
    try:
        return completed(result, result_limit)
    except InvalidJob as error:
        return failed(str(error), business=True)


def completed(result: Any, result_limit: int) -> Ending:
    """Return the ending of a completed attempt.

    Raises:
        InvalidJob: the result is not JSON, or is over the limit.

    """
    if result is None:
        return COMPLETED
    try:
        return Ending("completed", result=to_json(make_safe(result), "result", result_limit))
    except RecursionError:
        raise InvalidJob(f"result is nested deeper than {MAX_DEPTH} levels") from None
    except InvalidJob:
        raise
    except Exception as error:  # noqa: BLE001 - a result may be an object of the handler's that cannot even be read
        raise InvalidJob(f"result cannot be read: {_first_line(error)}") from None


def failed(error: str | BaseException, *, business: bool = False, retry_in: float | None = None) -> Ending:
    """Return the ending of a failed attempt; the error's text is made safe and cut to 64 KiB."""
    return Ending("business" if business else "failed", error=error_text(error), retry_in=retry_in)


def error_text(error: str | BaseException) -> str:
    """Return what is kept of an error: message, then where it came from, 64 KiB at most with a note of what was cut."""
    if isinstance(error, BaseException):
        text = _first_line(error)
        if not isinstance(error, BusinessError):
            text += "\n" + _traceback(error)
    else:
        text = str(error)
    encoded = safe_text(text).encode()
    if len(encoded) <= MAX_ERROR_BYTES:
        return encoded.decode()
    note = f" [{len(encoded)} bytes in all, cut here]"
    return encoded[: MAX_ERROR_BYTES - len(note)].decode(errors="ignore") + note


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as broken:  # noqa: BLE001 - an error that cannot be printed must still end its attempt
        return f"(no traceback: printing it raised {type(broken).__name__})"


def _first_line(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException as broken:  # noqa: BLE001 - as above
        return f"{type(error).__name__} (printing it raised {type(broken).__name__})"
