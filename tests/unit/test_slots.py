"""Handlers that share tasks behave as if each had its own."""

from __future__ import annotations

import asyncio
import decimal
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.telemetry.attempt import add_job_context
from tests.unit.slots import Robot, this_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue.models import JobModel

VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


async def test_each_job_is_settled_with_what_its_handler_returned() -> None:
    async def handler(job: JobModel) -> str:
        if job.workflow in "bd":
            await asyncio.sleep(0)
        return job.workflow

    robot = Robot(handler)
    robot.begin(*"abcde")
    assert set((await robot.ended()).values()) == {"completed"}
    assert {name: settlement.result for name, settlement in robot.ends.items()} == {
        name: f'"{name}"' for name in "abcde"
    }


async def test_nothing_runs_before_the_loop_comes_to_it_and_nothing_begun_is_nothing() -> None:
    robot = Robot(lambda _: asyncio.sleep(0))
    robot.begin()
    robot.begin("a")
    assert robot.ends == {}
    assert await robot.ended() == {"a": "completed"}


async def test_handlers_begin_in_order_whether_they_wait_or_not() -> None:
    begun: list[str] = []

    async def handler(job: JobModel) -> None:
        begun.append(job.workflow)
        if job.workflow in "acdg":
            await asyncio.sleep(0.001)

    robot = Robot(handler)
    robot.begin(*"abcd")
    robot.begin(*"efgh")
    await robot.ended()
    assert "".join(begun) == "abcdefgh"


async def test_handlers_that_wait_run_side_by_side() -> None:
    together = asyncio.Barrier(5)

    async def handler(_: JobModel) -> None:
        await together.wait()

    robot = Robot(handler)
    robot.begin(*"abcde")
    assert set((await robot.ended()).values()) == {"completed"}


async def test_those_that_do_not_wait_need_not_wait_for_those_that_do() -> None:
    released = asyncio.Event()

    async def handler(job: JobModel) -> None:
        if job.workflow in "ac":
            await released.wait()

    robot = Robot(handler)
    robot.begin(*"abcd")
    assert await robot.ended("b", "d") == {"b": "completed", "d": "completed"}
    robot.begin("e")
    await robot.ended("e")
    assert robot.ends.keys() == set("bde")
    released.set()
    assert (await robot.ended()).keys() == set("abcde")


async def test_one_that_does_not_wait_shares_its_task_and_one_that_waits_has_its_own() -> None:
    tasks: dict[str, asyncio.Task[Any]] = {}

    async def handler(job: JobModel) -> None:
        tasks[job.workflow] = this_task()
        if job.workflow in "CE":
            await asyncio.sleep(0)
            assert this_task() is tasks[job.workflow]

    robot = Robot(handler)
    robot.begin(*"abCdEf")
    assert set((await robot.ended()).values()) == {"completed"}
    assert tasks["a"] is tasks["b"] is tasks["C"], "it is its own from where it waits"
    assert tasks["d"] is tasks["E"]
    assert len({tasks["C"], tasks["E"], tasks["f"]}) == 3


async def test_what_a_handler_sets_in_its_context_is_its_own() -> None:
    seen: dict[str, list[Any]] = {}

    async def handler(job: JobModel) -> None:
        mine = seen[job.workflow] = [VARIABLE.get(), decimal.getcontext().prec]
        VARIABLE.set(job.workflow)
        decimal.setcontext(decimal.Context(prec=3))
        if job.workflow in "bd":
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        if job.workflow == "e":
            raise ValueError("it ends with the variable set")
        mine.append(VARIABLE.get())

    precision = decimal.getcontext().prec
    token = VARIABLE.set("begun here")
    robot = Robot(handler)
    robot.begin(*"abcde")
    await robot.ended("a", "c")
    robot.begin("f")
    await robot.ended()
    assert seen == {name: ["begun here", precision, *([] if name == "e" else [name])] for name in "abcdef"}
    assert (VARIABLE.get(), decimal.getcontext().prec) == ("begun here", precision)
    VARIABLE.reset(token)


async def test_a_context_variable_is_reset_by_its_token_after_waiting_and_seen_by_children() -> None:
    seen: list[str] = []

    async def child() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("of the child")

    async def handler(_: JobModel) -> None:
        token = VARIABLE.set("of the handler")
        await asyncio.create_task(child())
        await asyncio.to_thread(lambda: seen.append(VARIABLE.get()))
        seen.append(VARIABLE.get())
        VARIABLE.reset(token)
        seen.append(VARIABLE.get())

    robot = Robot(handler)
    robot.begin("a")
    assert await robot.ended() == {"a": "completed"}
    assert seen == ["of the handler"] * 3 + ["unset"]


async def test_lines_of_the_log_name_the_job_in_whose_handler_they_are_written() -> None:
    lines: list[tuple[str, Any]] = []

    def note(job: JobModel) -> None:
        lines.append((job.workflow, add_job_context(None, "info", {}).get("workflow")))

    async def handler(job: JobModel) -> None:
        note(job)
        if job.workflow in "ac":
            await asyncio.sleep(0)
            note(job)

    robot = Robot(handler)
    robot.begin(*"abcd")
    await robot.ended()
    assert len(lines) == 6
    assert all(name == told for name, told in lines)
    assert add_job_context(None, "info", {}) == {}


async def test_an_asynchronous_context_left_after_waiting_works() -> None:
    async def handler(job: JobModel) -> list[str]:
        async def numbers() -> AsyncIterator[int]:
            for n in range(3):
                await asyncio.sleep(0)
                yield n

        found = [n async for n in numbers()]
        async with asyncio.timeout(5):
            results = await asyncio.gather(asyncio.sleep(0, "x"), asyncio.sleep(0.001, job.workflow))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "z"))
        return [*map(str, found), *results, task.result()]

    robot = Robot(handler)
    robot.begin(*"abc")
    await robot.ended()
    assert {name: settlement.result for name, settlement in robot.ends.items()} == {
        name: f'["0", "1", "2", "x", "{name}", "z"]' for name in "abc"
    }


async def test_a_timeout_inside_a_handler_ends_what_it_bounds_and_nothing_else() -> None:
    async def handler(job: JobModel) -> str:
        if job.workflow in "bd":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            assert this_task().cancelling() == 0
            await asyncio.sleep(0)
        return "done"

    robot = Robot(handler)
    robot.begin(*"abcd")
    assert set((await robot.ended()).values()) == {"completed"}


async def test_a_failing_task_group_fails_its_own_handler() -> None:
    async def fail() -> None:
        raise ValueError("the ERP was down")

    async def handler(job: JobModel) -> None:
        if job.workflow == "b":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.Event().wait()

    robot = Robot(handler)
    robot.begin(*"abc")
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert "ValueError: the ERP was down" in robot.error_of("b")


async def test_the_time_limit_ends_a_handler_that_waits() -> None:
    robot = Robot(lambda job: asyncio.Event().wait() if job.workflow == "b" else asyncio.sleep(0))
    robot.begin(*"abc", time_limit=0.05)
    assert await robot.ended() == {"a": "completed", "b": "failed", "c": "completed"}
    assert robot.error_of("b") == "the attempt ran longer than its time limit of 0.05 s"


async def test_handlers_begin_one_after_the_other_where_tasks_begin_at_once() -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("this Python has no such factory: it must not be asked at all")

    begun: list[int] = []

    async def handler(job: JobModel) -> None:
        begun.append(int(job.workflow))

    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", refuse))
    try:
        robot = Robot(handler)
        robot.begin(*(str(n) for n in range(2000)))
        assert begun == []
        await robot.ended()
    finally:
        loop.set_task_factory(None)
    assert begun == list(range(2000))


async def test_a_task_of_a_handlers_own_goes_on_when_it_has_ended() -> None:
    children: list[asyncio.Task[str]] = []

    async def child(name: str) -> str:
        await asyncio.sleep(0.001)
        return name + VARIABLE.get()

    async def handler(job: JobModel) -> None:
        VARIABLE.set("!")
        children.append(asyncio.create_task(child(job.workflow)))

    robot = Robot(handler)
    robot.begin(*"abc")
    await robot.ended()
    assert await asyncio.gather(*children) == ["a!", "b!", "c!"]


async def test_a_thousand_that_do_not_wait_make_no_tower_of_calls() -> None:
    async def handler(_: JobModel) -> None: ...

    robot = Robot(handler)
    robot.begin(*(str(n) for n in range(5000)))
    await robot.ended()
    assert [int(name) for name, _ in robot.outcomes] == list(range(5000))


async def test_no_task_is_left() -> None:
    before = asyncio.all_tasks()

    async def handler(job: JobModel) -> None:
        if job.workflow in "ad":
            await asyncio.sleep(0)

    robot = Robot(handler)
    robot.begin(*"abcd")
    await robot.ended()
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
