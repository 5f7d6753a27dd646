"""Looking at jobs and steering them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import JobNotFound
from casare_rpa.foundation.ids import new_request
from casare_rpa.infrastructure.queue.checks import check_comment, check_priority
from casare_rpa.infrastructure.queue.filters import JobFilter
from casare_rpa.infrastructure.queue.models import (
    MAX_PAGE,
    JobAction,
    JobAttempt,
    JobModel,
    JobStatus,
    check_limit,
)
from casare_rpa.infrastructure.queue.pages import MOST_COUNTED, BulkResult, JobCount, JobPage, Place, cursor, place_of
from casare_rpa.infrastructure.queue.producing.bulk import Bulk, check_filter
from casare_rpa.infrastructure.queue.producing.session import as_id
from casare_rpa.infrastructure.queue.rows import action, ended_attempt, found_job

if TYPE_CHECKING:
    from uuid import UUID

_LISTING = "jobs"


class Jobs(Bulk):
    """Looks at jobs and steers them."""

    async def get_job(self, job_id: UUID | str) -> JobModel:
        """Return a job wherever it lives now: waiting, held, ended or dead.

        Raises:
            JobNotFound: there is none with this id.

        """
        job = await self._find(job_id)
        if job.dead_letter_reason is None or job.id is None:
            return job
        # The lists alone know its shape and whom it is assigned to. Meanwhile it may have been redriven: then it was as found.
        text = JobFilter(ids=[job.id]).to_json()
        *rows, _ = await self._call(lambda c: self._calls.find_jobs(c, text, 1, None))
        return next((found_job(row) for row in rows if row["reason"] is not None), job)

    async def get_job_status(self, job_id: UUID | str) -> JobStatus:
        """Return a job's status.

        Raises:
            JobNotFound: there is none with this id.

        """
        return (await self._find(job_id)).status

    async def _find(self, job_id: UUID | str) -> JobModel:
        key = as_id(job_id)
        row = await self._call(lambda c: self._calls.find_job(c, key))
        if row is None:
            raise JobNotFound(job_id)
        return found_job(row)

    async def get_attempts(self, job_id: UUID | str) -> list[JobAttempt]:
        """Return every ended attempt of a job, oldest first.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = as_id(job_id)
        return [ended_attempt(row) for row in await self._call(lambda c: self._calls.find_attempts(c, key))]

    async def get_actions(self, job_id: UUID | str) -> list[JobAction]:
        """Return what people and programs did to a job, oldest first: comments, edits, redrives and the like.

        Raises:
            JobNotFound: there is none with this id.

        """
        key = as_id(job_id)
        return [action(row) for row in await self._call(lambda c: self._calls.find_actions(c, key))]

    async def comment_job(self, job_id: UUID | str, comment: str) -> None:
        """Write a comment of 1 to 10,000 characters on a job; a job takes 1000 comments and edits.

        Raises:
            JobNotFound: there is none with this id.
            InvalidJob: the comment is empty, too long, or one too many.

        """
        key, text, request = as_id(job_id), check_comment(comment), new_request()
        await self._call(lambda c: self._calls.comment(c, key, text, request))

    async def list_jobs(self, where: JobFilter | None = None, *, limit: int = 100, after: str | None = None) -> JobPage:
        """Return a page of the jobs that match, wherever they live, newest first.

        The order is that of the ids, which carry the time of the producer that made them. A call looks at 20,000 rows of each
        table at most, so that a page may hold fewer jobs than `limit`, even none, and still have a next one.

        Args:
            where: which jobs; None is all of them.
            limit: jobs returned at most, 1 to 1000.
            after: `next` of the page before; None begins.

        Raises:
            InvalidFilter: `where` is no filter, or `after` no cursor of this list with this filter.
            InvalidJob: the limit is out of range.

        """
        check_limit(limit, MAX_PAGE)
        text = check_filter(where).to_json()
        place = place_of(after, _LISTING, text)
        *rows, note = await self._call(lambda c: self._calls.find_jobs(c, text, limit, place.id))
        end = Place(note["resume_after"])
        return JobPage(map(found_job, rows), cursor(_LISTING, text, end), note["examined"])

    async def count_jobs(self, where: JobFilter | None = None) -> JobCount:
        """Return how many jobs match; after looking at 1,000,000 rows it stops, and says that the count is not complete.

        Raises:
            InvalidFilter: `where` is no filter.

        """
        text = check_filter(where).to_json()
        count, looked_at, after = 0, 0, None
        while looked_at < MOST_COUNTED:
            note = await self._count_page(text, after)
            count, looked_at, after = count + note[0], looked_at + note[1], note[2]
            if after is None:
                break
        return JobCount(count=count, complete=after is None)

    async def _count_page(self, text: str, after: UUID | None) -> tuple[int, int, UUID | None]:
        row = await self._call(lambda c: self._calls.count_jobs(c, text, after))
        return row["count"], row["examined"], row["resume_after"]

    async def cancel_job(self, job_id: UUID | str) -> bool:
        """Cancel a job; return True when it is cancelled or its robot has been asked to stop, False when it has ended already.

        Raises:
            JobNotFound: there is none with this id.

        """
        key, request = as_id(job_id), new_request()
        return await self._call(lambda c: self._calls.cancel(c, key, request))

    async def cancel_jobs(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Cancel the jobs that match and have not ended: those that wait at once, those that run by asking their robots.

        Pages of up to 1000 jobs are one transaction each. A page whose reply is lost is done once and counted all the same. If the
        database stays away, `DatabaseUnavailable` is raised, and what was done before stays done.

        Args:
            where: which jobs; at least one key.
            dry_run: only say what would be cancelled.

        Raises:
            InvalidFilter: `where` names nothing.

        """
        return await self._do_to_all("cancel", where, self._calls.cancel_jobs, dry_run=dry_run)

    async def retry_jobs(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Let the jobs that match be tried again now: dead letters are redriven, jobs that wait for another attempt are due.

        Pages, `where`, `dry_run` and errors are as for `cancel_jobs`.
        """
        return await self._do_to_all("retry", where, self._calls.retry_jobs, dry_run=dry_run)

    async def set_priority(self, where: JobFilter, priority: int, *, dry_run: bool = False) -> BulkResult:
        """Give the PENDING jobs that match a priority from 0 to 20; they keep their places.

        Pages, `where`, `dry_run` and errors are as for `cancel_jobs`.

        Raises:
            InvalidJob: it is no priority.

        """
        number = check_priority(priority)
        return await self._do_to_all(
            "reprioritise",
            where,
            lambda c, text, page: self._calls.set_priority(c, text, number, page),
            dry_run=dry_run,
        )
