"""Following jobs and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import ConfigError, DatabaseUnavailable
from casare_rpa.infrastructure.queue.events import EventName, JobEvent, seen
from casare_rpa.infrastructure.queue.models import JobModel, JobStatus
from casare_rpa.infrastructure.queue.pool import borrowed
from casare_rpa.infrastructure.queue.producing.feed import Feed
from casare_rpa.infrastructure.queue.producing.jobs import Jobs
from casare_rpa.infrastructure.queue.producing.session import as_id
from casare_rpa.infrastructure.queue.producing.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from uuid import UUID

    import asyncpg

    from casare_rpa.infrastructure.queue.config import QueueConfig
    from casare_rpa.infrastructure.telemetry.metrics import Metrics

SHORTEST_PAUSE = 0.02
LONGEST_PAUSE = 1.0
LONGEST_PAUSE_HEARING = 5.0
"""Seconds between looks at a job that is followed."""
GROWTH = 1.5
ON_ITS_WAY = 0.2
"""Seconds that the event of a change that was seen by looking may still be on its way."""


class Events(Jobs):
    """Follows what becomes of jobs."""

    def __init__(self, config: QueueConfig, *, metrics: Metrics | None = None) -> None:
        super().__init__(config, metrics=metrics)
        self._subscriber = Subscriber(self._backend, self._call_once)

    def follow(
        self, *, job_id: UUID | str | None = None, queue_name: str | None = None
    ) -> AsyncGenerator[JobEvent, None]:
        """Follow one job, or the jobs of a queue (the configured one by default): ``async for event in producer.follow(...)``.

        A job: the first event is a ``snapshot`` of what it is now, the last one its end, which is never missed; where no
        notifications arrive, for example through a pooler in transaction mode, the job is looked at every second at least, and
        only that it has changed is told.

        A queue: the first event is ``following``: what is committed from then on is told. It goes on until it is left. Events are
        missing where a ``gap`` is told: the connection was away, or more than 10,000 events were not taken.

        Notifications have a price: while somebody follows a queue, the transactions of its jobs commit one after the other.

        Raises:
            JobNotFound: there is no job with this id, or it was purged meanwhile.
            NotPermitted: this login may not see the queue.
            ConfigError: both were given; or no notifications arrive, so that a queue cannot be followed; or the producer
                was closed.

        """
        self._open(self._pool)
        if job_id is not None and queue_name is not None:
            raise ConfigError("follow either a job or a queue, not both")
        if job_id is not None:
            return self._follow_job(as_id(job_id))
        return self._follow_queue(queue_name or self.config.queue_name)

    async def close(self) -> None:
        """Let everybody who follows get an error, and disconnect; closing twice is safe."""
        subscriber, self._subscriber = self._subscriber, Subscriber(self._backend, self._call_once)
        await subscriber.close()
        await super().close()

    async def _follow_queue(self, queue_name: str) -> AsyncGenerator[JobEvent, None]:
        self._open(self._pool)
        feed, subscriber = Feed(queue_name), self._subscriber
        subscriber.add(feed)
        try:
            while True:
                event = await feed.next()
                if event is not None:
                    yield event
        finally:
            subscriber.remove(feed)

    async def _follow_job(self, job_id: UUID) -> AsyncGenerator[JobEvent, None]:
        known = seen(await self.get_job(job_id))
        if known.is_final:
            yield known
            return
        self._open(self._pool)
        feed, subscriber = Feed(job_id), self._subscriber
        subscriber.add(feed)
        pause = SHORTEST_PAUSE
        try:
            yield known
            while not known.is_final:
                event = await feed.next(pause)
                pause = min(pause * GROWTH, LONGEST_PAUSE_HEARING if feed.hearing else LONGEST_PAUSE)
                if event is None or event.status is None:
                    event = await self._look(job_id, known, feed)
                if event is not None:
                    known, pause = event, SHORTEST_PAUSE
                    yield event
        finally:
            subscriber.remove(feed)

    async def _look(self, job_id: UUID, known: JobEvent, feed: Feed) -> JobEvent | None:
        """Return what has become of a job that was `known` so: as it is told, or else as it is seen; None when nothing has."""
        try:
            job = await self.get_job(job_id)
        except DatabaseUnavailable:
            return None  # however long it is away
        if job.status is known.status and job.attempt <= (known.attempt or 0):
            return None
        if feed.hearing:
            told = await feed.next(ON_ITS_WAY)
            if told is not None and told.status is not None:
                return told
        return seen(job, await self._end_of(job)) if job.status.is_final else seen(job)

    async def _end_of(self, job: JobModel) -> EventName:
        """Return the name of the event with which a job has ended."""
        if job.status is JobStatus.COMPLETED:
            return "completed"
        if job.status is JobStatus.CANCELLED:
            return "cancelled"
        outcomes = [attempt.outcome for attempt in await self.get_attempts(job.id or "")]
        return outcomes[-1] if outcomes else "failed"

    async def _call_once(self, call: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
        async with borrowed(self._open(self._pool)) as connection:
            await call(connection)
