"""Whatever a handler raises or returns instead of a coroutine, its own attempt ends with it and the others go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.slots import Robot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from casare_rpa.infrastructure.queue.models import JobModel


class Abort(BaseException):
    """What some libraries raise to get past `except Exception`."""


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (Abort("enough"), "Abort: enough"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit("over"), "GeneratorExit: over"),
        (StopIteration("no more"), "RuntimeError: coroutine raised StopIteration"),
        (StopAsyncIteration("no more"), "StopAsyncIteration: no more"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_whatever_a_handler_raises_fails_its_own_attempt(error: BaseException, told: str, waits: bool) -> None:
    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            if waits:
                await asyncio.sleep(0)
            raise error

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert robot.error_of("b").startswith(told)


@pytest.mark.parametrize("error", [StopIteration("no more"), GeneratorExit("over"), Abort("enough"), ValueError("bad")])
async def test_what_is_raised_before_there_is_anything_to_await_fails_the_attempt(error: BaseException) -> None:
    async def nothing() -> None: ...

    def handler(job: JobModel) -> Awaitable[None]:
        if job.workflow == "b":
            raise error
        return nothing()

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert robot.error_of("b").startswith(f"{type(error).__name__}: {error}")


async def test_a_handler_may_return_a_future_a_task_or_anything_to_await() -> None:
    class Awaited:
        def __await__(self) -> Any:
            yield
            return "awaited"

    loop = asyncio.get_running_loop()
    done, coming, broken = loop.create_future(), loop.create_future(), loop.create_future()
    done.set_result("done")
    loop.call_later(0.002, coming.set_result, "coming")
    loop.call_later(0.002, broken.set_exception, ValueError("broken"))
    made: dict[str, Callable[[], Awaitable[Any]]] = {
        "done": lambda: done,
        "coming": lambda: coming,
        "broken": lambda: broken,
        "task": lambda: loop.create_task(asyncio.sleep(0, "task")),
        "awaited": Awaited,
        "gathered": lambda: asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)),
    }
    robot = Robot(lambda job: made[job.workflow]())
    robot.begin(*made)
    ends = await robot.ended()
    assert ends.pop("broken") == "failed"
    assert set(ends.values()) == {"completed"}
    results = {name: robot.ends[name].result for name in ends}
    assert results.pop("gathered") == "[1, 2]"
    assert results == {name: f'"{name}"' for name in results}


async def test_what_cannot_be_awaited_fails_the_attempt() -> None:
    async def generator(_: JobModel) -> AsyncIterator[int]:
        yield 1

    odd: dict[str, Callable[[JobModel], Any]] = {
        "generator": generator,
        "plain": lambda _: "no coroutine",
        "none": lambda _: None,
    }
    robot = Robot(lambda job: odd[job.workflow](job))
    robot.begin(*odd)
    assert set((await robot.ended()).values()) == {"failed"}
    assert "TypeError: object async_generator can't be used in 'await' expression" in robot.error_of("generator")


async def test_what_awaits_a_future_of_another_loop_fails_and_the_others_go_on() -> None:
    other = asyncio.new_event_loop()
    foreign = other.create_future()

    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            await foreign

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert "attached to a different loop" in robot.error_of("b")
    other.close()


async def test_what_yields_rubbish_to_the_loop_fails_and_the_others_go_on() -> None:
    class Rubbish:
        def __await__(self) -> Any:
            yield "rubbish"

    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            await Rubbish()

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert "Task got bad yield: 'rubbish'" in robot.error_of("b")
