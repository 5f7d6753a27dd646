"""Runs handlers, each in a context of its own: one task works off as many as end without waiting, others get one each."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.consuming.execution import error_text, execute, failed
from casare_rpa.infrastructure.queue.consuming.settlement import COMPLETED, RELEASED, Ending, Settlement
from casare_rpa.infrastructure.queue.models import LEASE_TOKEN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
    from contextvars import Context
    from uuid import UUID

    from casare_rpa.infrastructure.queue.models import JobModel
    from casare_rpa.infrastructure.telemetry.attempt import Attempt

    Handler = Callable[[JobModel], Awaitable[Any]]


class Execution:
    """One attempt that this robot works on, until it is settled. What the handler does to the model cannot change its lease."""

    __slots__ = ("asked", "attempt", "ended", "job", "job_id", "lost", "task", "token")

    def __init__(self, job: JobModel, attempt: Attempt) -> None:
        self.job = job
        self.job_id: UUID = job.__dict__["id"]
        self.token: UUID = job.__dict__[LEASE_TOKEN]
        self.attempt = attempt
        self.task: asyncio.Task[None] | None = None
        """The task in which the handler runs, while it does."""
        self.asked = False
        """Whether it was asked to end."""
        self.lost = False
        """Whether its lease was lost before the handler ended."""
        self.ended = False
        """Whether the handler has ended: what becomes of the attempt is its settlement's matter."""

    def cancel(self) -> None:
        """Ask the handler to end now; one that has not begun never will."""
        self.asked = True
        if self.task is not None:
            self.task.cancel()


class Slots:
    """Where handlers run; how many at once is up to who calls `begin`.

    Args:
        handler: is awaited for each job.
        result_limit: bytes that a result may have as JSON.
        ended: is called with each execution and the settlement that it ended with.

    """

    def __init__(self, handler: Handler, result_limit: int, ended: Callable[[Execution, Settlement], None]) -> None:
        self._handler = handler
        self._result_limit = result_limit
        self._ended = ended
        self._ready: deque[Execution] = deque()
        self._coming: asyncio.Task[None] | None = None

    def begin(self, executions: Iterable[Execution]) -> None:
        """Call the handler for each of these, in this order, once the loop comes to it."""
        self._ready.extend(executions)
        self._send_for_one()

    def _send_for_one(self) -> None:
        """Have a task come for what is ready, unless one is on its way."""
        if self._ready and self._coming is None:
            # Not `create_task`: a loop may run new tasks at once, and jobs would begin inside of each other.
            self._coming = asyncio.Task(self._work_off(), loop=asyncio.get_running_loop())
            _tasks.add(self._coming)
            self._coming.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if self._coming is task:  # it was cancelled before its first step
            self._coming = None
            self._send_for_one()

    async def _work_off(self) -> None:
        """Call handlers until one has to wait; the next task takes over from there."""
        task, self._coming = self._coming, None
        while self._ready:
            execution = self._ready.popleft()
            if self._coming is None:
                self._send_for_one()
            if execution.asked:
                self._end(execution, RELEASED)
                continue
            execution.task = task
            context = copy_context()
            run = self._run(execution)
            try:
                waits_for = context.run(run.send, None)
            except StopIteration as stop:
                self._end(execution, stop.value)
                if _is_cancelled(task):
                    break  # by the handler itself: that must hit no other
            else:
                self._end(execution, await _go_on(run, context, waits_for))
                break
        self._send_for_one()

    def _end(self, execution: Execution, ending: Ending) -> None:
        execution.task = None
        execution.ended = True
        if ending is COMPLETED:  # as nearly all do
            settlement = Settlement(execution.job_id, execution.token, "completed")
        else:
            settlement = Settlement.of(execution.job_id, execution.token, ending)
        self._ended(execution, settlement)

    async def _run(self, execution: Execution) -> Ending:
        with execution.attempt as attempt:
            try:
                ending = await execute(execution.job, self._handler, self._result_limit)
            except asyncio.CancelledError as error:
                # A cancellation that nobody asked for is the handler's own doing, and its failure.
                ending = RELEASED if execution.asked else failed(error)
            except Exception as error:  # noqa: BLE001 - whatever came up, the attempt ends
                ending = Ending("failed", error=error_text(error))
            attempt.ended(ending.outcome, ending.error)
        return ending


def _is_cancelled(task: asyncio.Task[None] | None) -> bool:
    # Before Python 3.13 a cancellation that was taken back still comes with the next await.
    return task is None or task.cancelling() > 0 or getattr(task, "_must_cancel", False)


_tasks: set[asyncio.Task[None]] = set()
"""The loop itself holds its tasks but weakly."""


@types.coroutine
def _go_on(coroutine: Coroutine[Any, Any, Ending], context: Context, waits_for: Any) -> Generator[Any, Any, Ending]:
    """Drive a coroutine that waits to its end, every step of it in this context."""
    while True:
        step: Callable[[Any], Any] = coroutine.send
        argument: Any
        try:
            argument = yield waits_for
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's to deal with
            step, argument = coroutine.throw, error
        try:
            waits_for = context.run(step, argument)
        except StopIteration as stop:
            ending: Ending = stop.value
            return ending
