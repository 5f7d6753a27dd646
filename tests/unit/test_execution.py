"""How an attempt ends: what a handler returns or raises, as a value."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from typing import Any
from uuid import uuid4

import pytest

from casare_rpa.foundation.errors import BusinessError, InvalidJob
from casare_rpa.infrastructure.queue.consuming.execution import (
    MAX_ERROR_BYTES,
    completed,
    error_text,
    execute,
    failed,
)
from casare_rpa.infrastructure.queue.consuming.settlement import RELEASED, Settlement
from casare_rpa.infrastructure.queue.models import LEASE_TOKEN, JobModel

LIMIT = 1_048_576


def claimed(**fields: Any) -> JobModel:
    job = JobModel(workflow="w", id=uuid4(), **fields)
    job.__dict__[LEASE_TOKEN] = uuid4()
    return job


def raising(error: BaseException) -> Any:
    async def handler(_: JobModel) -> None:
        raise error

    return handler


def returning(result: Any) -> Any:
    async def handler(_: JobModel) -> Any:
        return result

    return handler


async def test_what_a_handler_returns_is_the_result() -> None:
    job = claimed()
    ending = await execute(job, returning({"total": 12}), LIMIT)
    assert ending == ("completed", '{"total": 12}', None, None)


async def test_none_is_no_result() -> None:
    assert await execute(claimed(), returning(None), LIMIT) == ("completed", None, None, None)


async def test_an_exception_is_an_application_error_with_its_traceback() -> None:
    ending = await execute(claimed(), raising(ConnectionError("the ERP was down")), LIMIT)
    assert ending.outcome == "failed"
    assert ending.error is not None
    assert ending.error.startswith("ConnectionError: the ERP was down\nTraceback (most recent call last):")
    assert "in handler" in ending.error


async def test_a_business_error_is_told_without_a_traceback() -> None:
    ending = await execute(claimed(), raising(BusinessError("no such customer")), LIMIT)
    assert (ending.outcome, ending.error) == ("business", "BusinessError: no such customer")


async def test_an_invalid_job_that_the_handler_made_is_an_application_error() -> None:
    assert (await execute(claimed(), raising(InvalidJob("a follow-up")), LIMIT)).outcome == "failed"


class Abort(BaseException):
    """What some libraries raise to get past `except Exception`."""


@pytest.mark.parametrize("error", [SystemExit(3), Abort("enough")])
async def test_what_gets_past_except_exception_is_an_application_error_too(error: BaseException) -> None:
    ending = await execute(claimed(), raising(error), LIMIT)
    assert ending.outcome == "failed"
    assert ending.error is not None
    assert ending.error.startswith(f"{type(error).__name__}: {error}")


async def test_sys_exit_in_a_handler_ends_the_job_and_not_the_robot() -> None:
    async def handler(_: JobModel) -> None:
        sys.exit("bye")

    assert (await execute(claimed(), handler, LIMIT)).outcome == "failed"


async def test_cancellation_of_the_handler_is_neither() -> None:
    started = asyncio.Event()

    async def handler(_: JobModel) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(execute(claimed(time_limit=60), handler, LIMIT))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_that_cannot_be_printed_still_ends_its_attempt() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    ending = await execute(claimed(), raising(Broken()), LIMIT)
    assert ending.outcome == "failed"
    assert ending.error is not None
    assert ending.error.startswith("Broken (printing it raised RuntimeError)")


async def test_past_the_time_limit_the_handler_is_cancelled_and_the_attempt_fails() -> None:
    cancelled = asyncio.Event()

    async def handler(_: JobModel) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    ending = await execute(claimed(time_limit=0.02), handler, LIMIT)
    assert cancelled.is_set()
    assert (ending.outcome, ending.error) == (
        "failed",
        "the attempt ran longer than its time limit of 0.02 s",
    )


async def test_a_timeout_of_the_handlers_own_is_not_taken_for_the_time_limit() -> None:
    ending = await execute(claimed(time_limit=60), raising(TimeoutError("the ERP is slow")), LIMIT)
    assert ending.error is not None
    assert ending.error.startswith("TimeoutError: the ERP is slow\n")


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ({"x": object()}, "result.x is of type object, which JSON cannot hold"),
        ([math.nan], "result[0] is nan, which JSON cannot hold"),
        (b"bytes", "result is of type bytes, which JSON cannot hold"),
        ("x" * LIMIT, f"result has {LIMIT + 2} bytes as JSON, more than the limit of {LIMIT}"),
    ],
)
async def test_a_result_that_cannot_be_stored_is_a_business_error_that_says_why(result: Any, fault: str) -> None:
    ending = await execute(claimed(), returning(result), LIMIT)
    assert (ending.outcome, ending.error) == ("business", fault)


async def test_a_result_that_contains_itself_is_a_business_error() -> None:
    circle: list[Any] = []
    circle.append(circle)
    ending = await execute(claimed(), returning(circle), LIMIT)
    assert (ending.outcome, ending.error) == ("business", "result is nested deeper than 64 levels")


async def test_nul_and_unpaired_surrogates_in_a_result_are_made_safe() -> None:
    ending = await execute(claimed(), returning({"a\x00": "b\ud800"}), LIMIT)
    assert ending.outcome == "completed"
    assert json.loads(ending.result or "") == {"a\ufffd": "b\ufffd"}


def test_nul_and_unpaired_surrogates_in_an_error_are_made_safe() -> None:
    assert failed("a\x00b\ud800").error == "a\ufffdb\ufffd"


def test_an_error_of_64_kib_is_kept_whole() -> None:
    assert error_text("x" * MAX_ERROR_BYTES) == "x" * MAX_ERROR_BYTES


@pytest.mark.parametrize("letter", ["x", "ä", "€", "🤖"])
def test_a_longer_error_is_kept_to_64_kib_with_a_note_of_what_was_cut(letter: str) -> None:
    text = letter * (1024 * 1024 // len(letter.encode()))
    kept = error_text(text)
    note = f" [{len(text.encode())} bytes in all, cut here]"
    assert kept.endswith(note)
    assert MAX_ERROR_BYTES - 3 <= len(kept.encode()) <= MAX_ERROR_BYTES
    assert set(kept.removesuffix(note)) == {letter}


def test_a_settlement_is_an_ending_of_a_lease() -> None:
    job_id, token = uuid4(), uuid4()
    for ending in (
        completed([1], LIMIT),
        completed(None, LIMIT),
        failed("x", retry_in=0.5),
        failed("x", business=True),
        RELEASED,
    ):
        assert Settlement.of(job_id, token, ending) == (job_id, token, *ending)
