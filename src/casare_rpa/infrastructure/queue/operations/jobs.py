"""Looking at jobs and steering them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import JobNotFound
from casare_rpa.infrastructure.queue.models import MAX_PAGE, JobAttempt, JobModel, JobStatus, check_limit
from casare_rpa.infrastructure.queue.operations.session import Session, as_id
from casare_rpa.infrastructure.queue.rows import ended_attempt, found_job

if TYPE_CHECKING:
    from uuid import UUID


class Jobs(Session):
    """Looks at jobs and steers them."""

    async def get_job(self, job_id: UUID | str) -> JobModel:
        """Return a job wherever it lives now: waiting, held, ended or dead.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = as_id(job_id)
        row = await self._call(lambda c: self._calls.find_job(c, key))
        if row is None:
            raise JobNotFound(job_id)
        return found_job(row)

    async def get_job_status(self, job_id: UUID | str) -> JobStatus:
        """Return a job's status.

        Raises:
            JobNotFound: there is none with this id.

        """
        return (await self.get_job(job_id)).status

    async def get_attempts(self, job_id: UUID | str) -> list[JobAttempt]:
        """Return every ended attempt of a job, oldest first.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = as_id(job_id)
        return [ended_attempt(row) for row in await self._call(lambda c: self._calls.find_attempts(c, key))]

    async def list_jobs(
        self,
        *,
        queue_name: str | None = None,
        status: JobStatus | None = None,
        workflow: str | None = None,
        tenant_id: str | None = None,
        limit: int = 100,
        before: UUID | None = None,
    ) -> list[JobModel]:
        """Return jobs that match, newest first.

        Args:
            queue_name: the queue; None is any, here and below.
            status: where the job is in its life.
            workflow: what is to be run.
            tenant_id: whose job it is.
            limit: jobs returned at most, 1 to 1000.
            before: the id of the last job of the page before.

        """
        check_limit(limit, MAX_PAGE)
        wanted = status.value if status else None
        rows = await self._call(
            lambda c: self._calls.list_jobs(c, queue_name, wanted, workflow, tenant_id, limit, before)
        )
        return [found_job(row) for row in rows]

    async def cancel_job(self, job_id: UUID | str) -> bool:
        """Cancel a job; return True when it is cancelled or its robot has been asked to stop, False when it has ended already.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = as_id(job_id)
        return await self._call(lambda c: self._calls.cancel(c, key))
