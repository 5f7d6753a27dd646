"""Whoever cancels a handler ends that one attempt, and hits no other that ran or will run in the same task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.unit.slots import Robot, this_task

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue.models import JobModel


@pytest.mark.parametrize("waits", [False, True], ids=["and ends", "and waits"])
async def test_a_handler_that_cancels_its_own_task_ends_its_own_attempt_only(waits: bool) -> None:
    async def handler(job: JobModel) -> None:
        if job.workflow in "bd":
            this_task().cancel()
            if waits:
                await asyncio.sleep(0)
        if job.workflow in "ce":
            await asyncio.sleep(0)

    robot = Robot(handler)
    robot.begin(*"abcdef")
    ends = await robot.ended()
    assert {ends.pop("b"), ends.pop("d")} == {"failed" if waits else "completed"}
    assert ends == dict.fromkeys("acef", "completed")
    if waits:
        assert robot.error_of("b").startswith("CancelledError: ")


async def test_a_handler_that_raises_cancelled_error_fails() -> None:
    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            raise asyncio.CancelledError("by itself")

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert robot.error_of("b").startswith("CancelledError: by itself")


async def test_a_cancellation_that_was_taken_back_hits_no_other() -> None:
    async def handler(job: JobModel) -> None:
        if job.workflow == "a":
            this_task().cancel()
            this_task().uncancel()
        else:
            await asyncio.sleep(0)

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == dict.fromkeys("abc", "completed")


async def test_one_that_is_cancelled_before_it_began_never_begins() -> None:
    begun: list[str] = []

    async def handler(job: JobModel) -> None:
        begun.append(job.workflow)

    robot = Robot(handler)
    executions = robot.begin(*"abcd")
    executions[0].cancel()
    executions[2].cancel()
    assert await robot.ended() == {"a": "released", "b": "completed", "c": "released", "d": "completed"}
    assert begun == ["b", "d"]


async def test_one_may_cancel_another_that_has_not_begun() -> None:
    async def handler(job: JobModel) -> None:
        if job.workflow == "a":
            executions[1].cancel()

    robot = Robot(handler)
    executions = robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "released", "c": "completed"}


async def test_one_that_is_cancelled_while_it_waits_is_released_after_its_cleanup() -> None:
    waiting, cleaned = asyncio.Event(), asyncio.Event()

    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            try:
                waiting.set()
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.set()

    robot = Robot(handler)
    executions = robot.begin(*"abc")
    async with asyncio.timeout(5):
        await waiting.wait()
    assert "b" not in robot.ends
    executions[1].cancel()
    assert await robot.ended() == {"a": "completed", "b": "released", "c": "completed"}
    assert cleaned.is_set()


async def test_one_that_does_not_heed_its_cancellation_ends_as_it_says() -> None:
    async def handler(_: JobModel) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done all the same"

    robot = Robot(handler)
    [execution] = robot.begin("a")
    await asyncio.sleep(0)
    execution.cancel()
    assert await robot.ended() == {"a": "completed"}
    assert robot.ends["a"].result == '"done all the same"'


async def test_cancelling_one_that_has_ended_hits_no_other() -> None:
    waiting = asyncio.Event()

    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            assert executions[0].task is None
            executions[0].cancel()
            waiting.set()
            await asyncio.sleep(0.001)

    robot = Robot(handler)
    executions = robot.begin(*"abc")
    async with asyncio.timeout(5):
        await waiting.wait()
    executions[0].cancel()
    assert await robot.ended() == dict.fromkeys("abc", "completed")


async def test_a_handler_that_asks_itself_to_end_hits_no_other() -> None:
    async def handler(job: JobModel) -> None:
        if job.workflow in "ab":
            executions["ab".index(job.workflow)].cancel()
        if job.workflow in "bd":
            await asyncio.sleep(0)

    robot = Robot(handler)
    executions = robot.begin(*"abcd")
    assert await robot.ended() == {"a": "completed", "b": "released", "c": "completed", "d": "completed"}


async def test_a_timer_that_cancels_the_task_later_hits_no_other_when_its_handler_had_waited() -> None:
    fired = asyncio.Event()

    async def handler(job: JobModel) -> None:
        if job.workflow == "a":
            task = this_task()
            asyncio.get_running_loop().call_later(0.005, task.cancel)
            asyncio.get_running_loop().call_later(0.006, fired.set)
            await asyncio.sleep(0)
        else:
            await fired.wait()
            await asyncio.sleep(0)

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == dict.fromkeys("abc", "completed")


async def test_a_cancellation_of_every_task_of_the_loop_leaves_no_job_without_an_end() -> None:
    """As many a program stops itself: what has not begun, what waits and what begins later all end."""
    waiting = asyncio.Event()

    async def handler(job: JobModel) -> None:
        if job.workflow == "waits":
            waiting.set()
            await asyncio.Event().wait()

    robot = Robot(handler)
    robot.begin("waits")
    async with asyncio.timeout(5):
        await waiting.wait()
    robot.begin("begins")
    for task in asyncio.all_tasks() - {this_task()}:
        task.cancel()
    robot.begin("later")
    assert (await robot.ended()).keys() == {"waits", "begins", "later"}
    assert robot.ends["waits"].outcome == "failed"
    assert robot.ends["later"].outcome == "completed"
