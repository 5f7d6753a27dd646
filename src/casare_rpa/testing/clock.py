"""A queue's clock that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from casare_rpa.foundation.errors import ConfigError
from casare_rpa.infrastructure.queue.config import QueueConfig
from casare_rpa.orchestrator.job_queue import JobQueue
from casare_rpa.orchestrator.memory.clock import check_step
from casare_rpa.testing.database_clock import DatabaseClock

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    import asyncpg

    from casare_rpa.orchestrator.memory.clock import QueueClock


class FrozenClock:
    """Stops the clock of a queue and moves it.

    Use it as ``async with FrozenClock(config) as clock``. Everything that the queue decides by time goes by this clock:
    when a deferred job or a retry is due, when a lease runs out, what is written as `created_at` and the like. How long a
    robot sleeps and how long a handler may run (`time_limit`) does not.

    In PostgreSQL it is for a database of the test's own: all programs that use the queue there have this clock, and if the
    test is killed it stands still until the next ``casare migrate``.

    Args:
        queue: the settings of a queue whose login belongs to the schema's owner, as in a database that a test has made; an open
            asyncpg connection of such a login, which is used then; or a `JobQueue`.
        schema: the schema's name, for a connection.

    Raises:
        ConfigError: the settings name no database.

    """

    def __init__(self, queue: QueueConfig | asyncpg.Connection | JobQueue, schema: str = "pgqueuer") -> None:
        self._stopped = False
        self._clock: DatabaseClock | _MemoryClock
        if isinstance(queue, JobQueue):
            self._clock = _MemoryClock(queue.clock)
        elif isinstance(queue, QueueConfig):
            self._clock = DatabaseClock(queue.require_url(), queue.schema_name)
        else:
            self._clock = DatabaseClock(queue, schema)

    async def __aenter__(self) -> Self:
        """Stop the clock at the present moment.

        Raises:
            NotPermitted: the login does not belong to the schema's owner.
            DatabaseUnavailable, ServerTooOld, SchemaMissing: the queue cannot be used.

        """
        await self.freeze()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unfreeze()

    async def freeze(self) -> datetime:
        """Stop the clock at the present moment and return it; one that stands still already is left as it is."""
        stands_at = await self._clock.freeze()
        self._stopped = True
        return stands_at

    async def now(self) -> datetime:
        """Return the time at which the clock stands.

        Raises:
            ConfigError: it is not stopped.

        """
        self._require_stopped()
        return await self._clock.now()

    async def advance(self, seconds: float, *, upkeep: bool = True) -> datetime:
        """Move the clock and return the new time.

        Nobody does anything meanwhile: a robot sends its heartbeats by real time, so leases that are shorter than the step run
        out.

        Args:
            seconds: how far, 0 or more.
            upkeep: whether what the time brings is done before the return: leases run out, jobs become due and robots hear of
                it. If not, the next pass of the upkeep does it, and takes a step of more than 8 seconds for an outage, which it
                adds to all leases.

        Raises:
            ConfigError: the clock is not stopped, or it would go back.

        """
        self._require_stopped()
        check_step(seconds)
        return await self._clock.advance(seconds, upkeep=upkeep)

    async def unfreeze(self) -> None:
        """Let the clock follow the real time again; what was written meanwhile keeps its times."""
        self._stopped = False
        await self._clock.unfreeze()

    def _require_stopped(self) -> None:
        if not self._stopped:
            raise ConfigError(
                "the clock is not stopped: use it as `async with FrozenClock(...) as clock`, or call freeze() first"
            )


class _MemoryClock:
    """The clock of an in-memory queue, with the methods of the other one."""

    def __init__(self, clock: QueueClock) -> None:
        self._clock = clock

    async def freeze(self) -> datetime:
        return self._clock.freeze()

    async def now(self) -> datetime:
        return self._clock.now()

    async def advance(self, seconds: float, *, upkeep: bool) -> datetime:
        return self._clock.advance(seconds, upkeep=upkeep)

    async def unfreeze(self) -> None:
        self._clock.unfreeze()
