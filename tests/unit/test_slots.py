"""Handlers that share tasks behave as if each had its own."""

from __future__ import annotations

import asyncio
import decimal
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from casare_rpa.infrastructure.queue.consuming.slots import Execution, Slots
from casare_rpa.infrastructure.queue.models import LEASE_TOKEN, JobModel
from casare_rpa.infrastructure.telemetry.attempt import Attempt, add_job_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from casare_rpa.infrastructure.queue.consuming.settlement import Settlement

LIMIT = 1_048_576
VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


class Robot:
    """Begins executions and notes how they end, by their names, which are the workflows of their jobs."""

    def __init__(self, handler: Callable[[JobModel], Awaitable[Any]]) -> None:
        self.ends: dict[str, Settlement] = {}
        self.outcomes: list[tuple[str, str]] = []
        self._slots = Slots(handler, LIMIT, self._note)
        self._begun = 0
        self._changed = asyncio.Event()

    def begin(self, *names: str, time_limit: float | None = None) -> list[Execution]:
        executions = []
        for name in names:
            job_id, token = uuid4(), uuid4()
            job = JobModel(workflow=name, id=job_id, time_limit=time_limit, attempt=1)
            job.__dict__[LEASE_TOKEN] = token
            executions.append(Execution(job, job_id, token, Attempt("robot-1", "q", job)))
        self._begun += len(executions)
        self._slots.begin(executions)
        return executions

    def _note(self, execution: Execution, settlement: Settlement) -> None:
        assert (settlement.job_id, settlement.token) == (execution.job_id, execution.token)
        assert execution.task is None
        assert execution.job.workflow not in self.ends, "an attempt ends once"
        self.ends[execution.job.workflow] = settlement
        self.outcomes.append((execution.job.workflow, settlement.outcome))
        self._changed.set()

    async def ended(self, *names: str) -> dict[str, str]:
        """Wait until these have ended, or all, and return how all have ended that did."""
        async with asyncio.timeout(5):
            while not (self.ends.keys() >= set(names) if names else len(self.ends) == self._begun):
                self._changed.clear()
                await self._changed.wait()
        return {name: settlement.outcome for name, settlement in self.ends.items()}

    def error_of(self, name: str) -> str:
        error = self.ends[name].error
        assert error is not None
        return error


def this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


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
