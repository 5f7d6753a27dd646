"""Handlers run by slots, and how they ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from casare_rpa.infrastructure.queue.consuming.slots import Execution, Slots
from casare_rpa.infrastructure.queue.models import LEASE_TOKEN, JobModel
from casare_rpa.infrastructure.telemetry.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from casare_rpa.infrastructure.queue.consuming.settlement import Settlement

LIMIT = 1_048_576


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
            job = JobModel(workflow=name, id=uuid4(), time_limit=time_limit, attempt=1)
            job.__dict__[LEASE_TOKEN] = uuid4()
            executions.append(Execution(job, Attempt("robot-1", "q", job)))
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
