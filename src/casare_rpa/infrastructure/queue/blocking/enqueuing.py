"""Putting jobs into queues without async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from casare_rpa.infrastructure.queue.blocking.session import BlockingSession

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue.models import EnqueueResult, JobModel
    from casare_rpa.infrastructure.queue.producer import PgQueuerProducer


class BlockingEnqueuing(BlockingSession):
    """Puts jobs into queues."""

    def enqueue_job(self, job: JobModel) -> UUID:
        """Put one job into its queue and return its id.

        Args:
            job: what is to be done.

        Raises:
            DuplicateReference: another job has its reference; the error names it.
            InvalidJob: its payload cannot be stored.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """
        return self._run(lambda producer: producer.enqueue_job(job))

    @overload
    def enqueue_batch(self, jobs: Sequence[JobModel], *, mode: Literal["all"] = "all") -> list[UUID]: ...

    @overload
    def enqueue_batch(self, jobs: Sequence[JobModel], *, mode: Literal["each"]) -> list[EnqueueResult]: ...

    def enqueue_batch(
        self, jobs: Sequence[JobModel], *, mode: Literal["all", "each"] = "all"
    ) -> list[UUID] | list[EnqueueResult]:
        """Put up to 10,000 jobs into their queues, in this order and in one transaction.

        Args:
            jobs: what is to be done.
            mode: ``all`` enqueues every job or none and returns their ids. ``each`` enqueues those that can be and returns an
                `EnqueueResult` for every job, with its id or with the error that kept it out.

        Raises:
            DuplicateReference: (``all``) a reference is taken, by another job or within the batch.
            InvalidJob: (``all``) a payload cannot be stored; (both) there are more than 10,000 jobs, or something is no job.
            DatabaseUnavailable: the database did not come back within `outage_patience`.

        """

        async def enqueue(producer: PgQueuerProducer) -> list[Any]:
            return await producer.enqueue_batch(jobs, mode=mode)

        return self._run(enqueue)
