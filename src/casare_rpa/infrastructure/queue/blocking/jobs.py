"""Looking at jobs and steering them without async."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.blocking.session import BlockingSession

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue.filters import JobFilter
    from casare_rpa.infrastructure.queue.models import JobAction, JobAttempt, JobModel, JobStatus
    from casare_rpa.infrastructure.queue.pages import BulkResult, JobCount, JobPage


class BlockingJobs(BlockingSession):
    """Looks at jobs and steers them."""

    def get_job(self, job_id: UUID | str) -> JobModel:
        """Return a job wherever it lives now: waiting, held, ended or dead.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_job(job_id))

    def get_job_status(self, job_id: UUID | str) -> JobStatus:
        """Return a job's status.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_job_status(job_id))

    def get_attempts(self, job_id: UUID | str) -> list[JobAttempt]:
        """Return every ended attempt of a job, oldest first.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_attempts(job_id))

    def get_actions(self, job_id: UUID | str) -> list[JobAction]:
        """Return what people and programs did to a job, oldest first: comments, edits, redrives and the like.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.get_actions(job_id))

    def comment_job(self, job_id: UUID | str, comment: str) -> None:
        """Write a comment of 1 to 10,000 characters on a job; a job takes 1000 comments and edits.

        Raises:
            JobNotFound: there is none with this id.
            InvalidJob: the comment is empty, too long, or one too many.

        """
        self._run(lambda producer: producer.comment_job(job_id, comment))

    def list_jobs(self, where: JobFilter | None = None, *, limit: int = 100, after: str | None = None) -> JobPage:
        """Return a page of the jobs that match, newest first; see `PgQueuerProducer.list_jobs`.

        Args:
            where: which jobs; None is all of them.
            limit: jobs returned at most, 1 to 1000.
            after: `next` of the page before; None begins.

        """
        return self._run(lambda producer: producer.list_jobs(where, limit=limit, after=after))

    def count_jobs(self, where: JobFilter | None = None) -> JobCount:
        """Return how many jobs match; after looking at 1,000,000 rows it stops, and says that the count is not complete.

        Raises:
            InvalidFilter: `where` is no filter.

        """
        return self._run(lambda producer: producer.count_jobs(where))

    def cancel_job(self, job_id: UUID | str) -> bool:
        """Cancel a job; return True when it is cancelled or its robot has been asked to stop, False when it has ended already.

        Raises:
            JobNotFound: there is none with this id.

        """
        return self._run(lambda producer: producer.cancel_job(job_id))

    def cancel_jobs(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Cancel the jobs that match and have not ended; see `PgQueuerProducer.cancel_jobs`.

        Args:
            where: which jobs; at least one key.
            dry_run: only say what would be cancelled.

        Raises:
            InvalidFilter: `where` names nothing.

        """
        return self._run(lambda producer: producer.cancel_jobs(where, dry_run=dry_run))

    def retry_jobs(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Let the jobs that match be tried again now: dead letters are redriven, jobs that wait for another attempt are due.

        `where`, `dry_run` and errors are as for `cancel_jobs`.
        """
        return self._run(lambda producer: producer.retry_jobs(where, dry_run=dry_run))

    def set_priority(self, where: JobFilter, priority: int, *, dry_run: bool = False) -> BulkResult:
        """Give the PENDING jobs that match a priority from 0 to 20; `where`, `dry_run` and errors are as for `cancel_jobs`.

        Raises:
            InvalidJob: it is no priority.

        """
        return self._run(lambda producer: producer.set_priority(where, priority, dry_run=dry_run))
