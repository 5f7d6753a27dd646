"""Waiting for jobs to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import ConfigError, JobFailed, WaitTimedOut
from casare_rpa.infrastructure.queue.models import JobModel, JobStatus
from casare_rpa.infrastructure.queue.pool import borrowed
from casare_rpa.infrastructure.queue.producing.events import Events
from casare_rpa.infrastructure.queue.producing.session import as_id
from casare_rpa.infrastructure.queue.producing.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue.calls import Rows
    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.telemetry.metrics import Metrics


class Waiting(Events):
    """Waits for jobs, however many, with one statement for all of them."""

    def __init__(self, config: QueueConfig, *, metrics: Metrics | None = None) -> None:
        super().__init__(config, metrics=metrics)
        self._waits = Waits(self._find_ended)

    async def wait_for(self, job_id: UUID | str, *, timeout: float | None = None) -> JobModel:  # noqa: ASYNC109 - raises ours
        """Return a job as soon as it has ended: COMPLETED, FAILED or CANCELLED; at once when that was long ago.

        Thousands may wait at once: they are asked about together, every 20 ms at first and ever more slowly while nothing ends,
        to once a second; after half a second the end of a job is notified too, where that is possible. While the
        database is away the wait goes on. A job that has FAILED may still be redriven by a person: that is another wait.

        Args:
            job_id: the job.
            timeout: seconds to wait, more than 0; None waits for as long as it takes.

        Raises:
            JobNotFound: there is none with this id.
            WaitTimedOut: it has not ended in time. It goes on.
            ConfigError: the timeout is none, or the producer was closed meanwhile.

        """
        key = as_id(job_id)
        self._open(self._pool)
        check_timeout(timeout)
        try:
            async with asyncio.timeout(timeout) as patience:
                return await self._waits.ended(key, self._subscriber)
        except TimeoutError:
            if timeout is None or not patience.expired():
                raise
            raise WaitTimedOut(key, timeout) from None

    def handle(self, job_id: UUID | str) -> JobHandle:
        """Return a handle on a job, whether there is one or not: nothing is asked yet.

        Raises:
            JobNotFound: this is no id.

        """
        return JobHandle(self, as_id(job_id))

    async def close(self) -> None:
        """Let everybody who waits or follows get an error, announce what is left to announce, disconnect; twice is safe."""
        waits, self._waits = self._waits, Waits(self._find_ended)
        await waits.close()
        await super().close()

    async def _find_ended(self, ids: Sequence[UUID]) -> Rows:
        async with borrowed(self._open(self._pool)) as connection:
            return await self._calls.find_ended(connection, ids)


class JobHandle:
    """A job to come back to.

    Attributes:
        job_id: its id.

    """

    def __init__(self, producer: Waiting, job_id: UUID) -> None:
        self.job_id = job_id
        self._producer = producer

    def __repr__(self) -> str:
        return f"<JobHandle {self.job_id}>"

    async def result(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - raises ours
        """Wait until the job has ended and return its result; see `wait_for`.

        Raises:
            JobFailed: it has ended FAILED or CANCELLED; the error has the whole job.
            JobNotFound, WaitTimedOut, ConfigError: as `wait_for`.

        """
        job = await self._producer.wait_for(self.job_id, timeout=timeout)
        if job.status is not JobStatus.COMPLETED:
            raise JobFailed(job)
        return job.result

    async def job(self) -> JobModel:
        """Return the job as it is now.

        Raises:
            JobNotFound: there is none with this id.

        """
        return await self._producer.get_job(self.job_id)

    async def status(self) -> JobStatus:
        """Return the job's status.

        Raises:
            JobNotFound: there is none with this id.

        """
        return await self._producer.get_job_status(self.job_id)

    async def cancel(self) -> bool:
        """Cancel the job; see `cancel_job`."""
        return await self._producer.cancel_job(self.job_id)


def check_timeout(timeout: object) -> None:
    """Raise `ConfigError` unless this is None or a number of seconds to wait."""
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ConfigError(
            f"timeout must be more than 0 seconds, or None to wait for as long as it takes, not {timeout!r}"
        )
