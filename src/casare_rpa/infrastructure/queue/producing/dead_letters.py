"""The workplace of whoever looks after jobs that failed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.ids import new_request
from casare_rpa.infrastructure.queue.checks import check_assignee, check_comment, check_payload
from casare_rpa.infrastructure.queue.models import MAX_PAGE, check_limit
from casare_rpa.infrastructure.queue.pages import BulkResult, GroupList, JobPage, Place, cursor, place_of
from casare_rpa.infrastructure.queue.producing.bulk import Bulk, check_filter
from casare_rpa.infrastructure.queue.producing.session import as_id
from casare_rpa.infrastructure.queue.rows import found_job, group

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue.filters import JobFilter

_LISTING = "dead letters"


class DeadLetters(Bulk):
    """Looks at dead letters and decides about them."""

    async def list_dead_letters(
        self, where: JobFilter | None = None, *, limit: int = 100, after: str | None = None
    ) -> JobPage:
        """Return a page of the dead letters that match, the latest death first.

        Each has its `dead_letter_reason`, its `error_shape` and whom it is `assigned_to`. A call looks at 20,000 letters at most,
        so that a page may hold fewer than `limit`, even none, and still have a next one.

        Args:
            where: which dead letters; None is all of them.
            limit: letters returned at most, 1 to 1000.
            after: `next` of the page before; None begins.

        Raises:
            InvalidFilter: `where` is no filter, or `after` no cursor of this list with this filter.
            InvalidJob: the limit is out of range.

        """
        check_limit(limit, MAX_PAGE)
        text = check_filter(where).to_json()
        place = place_of(after, _LISTING, text)
        *rows, note = await self._call(lambda c: self._calls.find_dead_letters(c, text, limit, place.time, place.id))
        end = Place(note["resume_after"], note["finished_at"])
        return JobPage(map(found_job, rows), cursor(_LISTING, text, end), note["examined"])

    async def group_dead_letters(self, where: JobFilter | None = None, *, limit: int = 100) -> GroupList:
        """Return the dead letters that match in groups that failed alike, the biggest first.

        A group is of one queue and workflow, of one reason, and of one *shape* of the error: its first line, in which numbers,
        ids, times and paths are folded. The newest 100,000 letters are looked at; `complete` says whether there are more.

        Args:
            where: which dead letters; None is all of them.
            limit: groups returned at most, 1 to 1000.

        Raises:
            InvalidFilter: `where` is no filter.
            InvalidJob: the limit is out of range.

        """
        check_limit(limit, MAX_PAGE)
        text = check_filter(where).to_json()
        *rows, note = await self._call(lambda c: self._calls.group_dead_letters(c, text, limit))
        return GroupList(map(group, rows), complete=note["complete"], looked_at=note["examined"])

    async def edit_payload(self, job_id: UUID | str, payload: dict[str, Any], *, comment: str | None = None) -> None:
        """Give a dead letter another payload, for example to redrive it then; the old one stays in the job's actions.

        Args:
            job_id: which dead letter.
            payload: any JSON object within the limits of a payload.
            comment: why, 1 to 10,000 characters.

        Raises:
            JobNotFound: there is no job with this id.
            NotADeadLetter: the job is something else by now; the message says what.
            InvalidJob: the payload or the comment cannot be stored.

        """
        key, text = as_id(job_id), check_payload(payload, self._open(self._limits).payload)
        why = None if comment is None else check_comment(comment)
        request = new_request()
        await self._call(lambda c: self._calls.edit_payload(c, key, text, why, request))

    async def redrive_jobs(self, job_ids: Sequence[UUID | str]) -> list[UUID]:
        """Put dead letters back into their queues, starting at attempt 1, and return the ids of those that were."""
        keys, request = [as_id(job_id) for job_id in job_ids], new_request()
        return await self._call(lambda c: self._calls.redrive(c, keys, request))

    async def redrive_dead_letters(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Put the dead letters that match back into their queues, starting at attempt 1.

        Pages of up to 1000 letters are one transaction each. A page whose reply is lost is done once and counted all the
        same. If the database stays away, `DatabaseUnavailable` is raised, and what was done before stays done.

        Args:
            where: which dead letters; at least one key.
            dry_run: only say what would be redriven.

        Raises:
            InvalidFilter: `where` names nothing.

        """
        return await self._do_to_all("redrive", where, self._calls.redrive_dead_letters, dry_run=dry_run)

    async def resolve_dead_letters(self, where: JobFilter, comment: str, *, dry_run: bool = False) -> BulkResult:
        """Close the dead letters that match: they move to the history as FAILED and stay there until its retention.

        `comment` says how, in 1 to 10,000 characters. Pages, `where`, `dry_run` and errors are as for `redrive_dead_letters`.

        Raises:
            InvalidJob: the comment is empty or too long.

        """
        why = check_comment(comment)
        return await self._do_to_all(
            "resolve",
            where,
            lambda c, text, page: self._calls.resolve_dead_letters(c, text, why, page),
            dry_run=dry_run,
        )

    async def assign_dead_letters(self, where: JobFilter, to: str | None, *, dry_run: bool = False) -> BulkResult:
        """Say who looks after the dead letters that match: a name of 1 to 200 characters, or None for nobody.

        Pages, `where`, `dry_run` and errors are as for `redrive_dead_letters`; letters that are assigned so already are left out.

        Raises:
            InvalidJob: it is no name.

        """
        name = check_assignee(to)
        return await self._do_to_all(
            "assign",
            where,
            lambda c, text, page: self._calls.assign_dead_letters(c, text, name, page),
            dry_run=dry_run,
        )

    async def purge_dead_letters(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Remove the dead letters that match without a trace, with their references, attempts and actions; an administrator's call.

        Pages, `where`, `dry_run` and errors are as for `redrive_dead_letters`, but a page whose reply is lost is not counted: no
        trace is left of what it removed.

        Raises:
            NotPermitted: this login is no administrator.

        """
        return await self._do_to_all("purge", where, self._calls.purge_dead_letters, dry_run=dry_run)
