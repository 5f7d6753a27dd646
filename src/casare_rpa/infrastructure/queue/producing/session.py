"""The open connection of a producer: what every family of its calls stands on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import UUID

from casare_rpa.foundation.errors import ConfigError, JobNotFound
from casare_rpa.infrastructure.queue.backend import Backend, PostgresBackend
from casare_rpa.infrastructure.queue.config import check_config
from casare_rpa.infrastructure.queue.patience import with_patience
from casare_rpa.infrastructure.queue.pool import SchemaLimits, borrowed
from casare_rpa.infrastructure.telemetry.producer import ProducerTelemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    import asyncpg

    from casare_rpa.infrastructure.queue.announcer import Announcer
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.telemetry.metrics import Metrics

T = TypeVar("T")


class Session:
    """A producer's pool and announcer, from `__aenter__` to `close`."""

    def __init__(self, config: QueueConfig, *, metrics: Metrics | None = None) -> None:
        self.config = check_config(config)
        self._telemetry = ProducerTelemetry(self.config.queue_name, metrics)
        self._backend = self._make_backend()
        self._calls = self._backend.calls
        self._pool: asyncpg.Pool | None = None
        self._limits: SchemaLimits | None = None
        self._announcer: Announcer | None = None

    async def __aenter__(self) -> Self:
        """Connect and check the schema.

        Raises:
            DatabaseUnavailable, ServerTooOld, SchemaMissing, SchemaTooNew, NotPermitted, ConfigError: the queue cannot be used.

        """
        self._limits = await self._backend.check_schema("casare producer")
        self._pool = await self._backend.open_pool("casare producer")
        self._announcer = self._backend.announcer()
        self._announcer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Announce what is left to announce and disconnect; closing twice is safe."""
        pool, self._pool = self._pool, None
        if self._announcer is not None:
            await self._announcer.stop()
        if pool is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await pool.close()
                    return
            pool.terminate()

    def _make_backend(self) -> Backend:
        return PostgresBackend(self.config)

    async def _call(self, call: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Make a call that may be made again, for as long as `outage_patience` while the database is away."""
        pool = self._open(self._pool)

        async def attempt(_: int) -> T:
            async with borrowed(pool) as connection:
                return await call(connection)

        return await with_patience(attempt, self.config.outage_patience, watch=self._telemetry.database)

    def _open(self, part: T | None) -> T:
        if part is None:
            raise ConfigError("the producer is not open: use it as `async with PgQueuerProducer(...) as producer`")
        return part


def as_id(job_id: UUID | str) -> UUID:
    """Return the id of a job.

    Raises:
        JobNotFound: it is no id, so there is no such job.

    """
    if isinstance(job_id, UUID):
        return job_id
    try:
        return UUID(job_id)
    except (ValueError, AttributeError, TypeError):
        raise JobNotFound(str(job_id), f"{job_id!r} is no job id: an id is a UUID") from None
