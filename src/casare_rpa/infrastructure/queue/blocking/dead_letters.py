"""The workplace of whoever looks after dead letters, without async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casare_rpa.infrastructure.queue.blocking.session import BlockingSession

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from casare_rpa.infrastructure.queue.filters import JobFilter
    from casare_rpa.infrastructure.queue.pages import BulkResult, GroupList, JobPage


class BlockingDeadLetters(BlockingSession):
    """Looks at dead letters and decides about them."""

    def list_dead_letters(
        self, where: JobFilter | None = None, *, limit: int = 100, after: str | None = None
    ) -> JobPage:
        """Return a page of the dead letters that match, the latest death first; see `PgQueuerProducer.list_dead_letters`.

        Args:
            where: which dead letters; None is all of them.
            limit: letters returned at most, 1 to 1000.
            after: `next` of the page before; None begins.

        """
        return self._run(lambda producer: producer.list_dead_letters(where, limit=limit, after=after))

    def group_dead_letters(self, where: JobFilter | None = None, *, limit: int = 100) -> GroupList:
        """Return the dead letters that match in groups that failed alike, the biggest first.

        Args:
            where: which dead letters; None is all of them.
            limit: groups returned at most, 1 to 1000.

        """
        return self._run(lambda producer: producer.group_dead_letters(where, limit=limit))

    def edit_payload(self, job_id: UUID | str, payload: dict[str, Any], *, comment: str | None = None) -> None:
        """Give a dead letter another payload; the old one stays in the job's actions.

        Args:
            job_id: which dead letter.
            payload: any JSON object within the limits of a payload.
            comment: why, 1 to 10,000 characters.

        Raises:
            JobNotFound: there is no job with this id.
            NotADeadLetter: the job is something else by now; the message says what.
            InvalidJob: the payload or the comment cannot be stored.

        """
        self._run(lambda producer: producer.edit_payload(job_id, payload, comment=comment))

    def redrive_jobs(self, job_ids: Sequence[UUID | str]) -> list[UUID]:
        """Put dead letters back into their queues, starting at attempt 1, and return the ids of those that were."""
        return self._run(lambda producer: producer.redrive_jobs(job_ids))

    def redrive_dead_letters(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Put the dead letters that match back into their queues; see `PgQueuerProducer.redrive_dead_letters`.

        Args:
            where: which dead letters; at least one key.
            dry_run: only say what would be redriven.

        Raises:
            InvalidFilter: `where` names nothing.

        """
        return self._run(lambda producer: producer.redrive_dead_letters(where, dry_run=dry_run))

    def resolve_dead_letters(self, where: JobFilter, comment: str, *, dry_run: bool = False) -> BulkResult:
        """Close the dead letters that match: they move to the history as FAILED and stay there until its retention.

        `comment` says how, in 1 to 10,000 characters. `where`, `dry_run` and errors are as for `redrive_dead_letters`.

        Raises:
            InvalidJob: the comment is empty or too long.

        """
        return self._run(lambda producer: producer.resolve_dead_letters(where, comment, dry_run=dry_run))

    def assign_dead_letters(self, where: JobFilter, to: str | None, *, dry_run: bool = False) -> BulkResult:
        """Say who looks after the dead letters that match: a name of 1 to 200 characters, or None for nobody.

        `where`, `dry_run` and errors are as for `redrive_dead_letters`.

        Raises:
            InvalidJob: it is no name.

        """
        return self._run(lambda producer: producer.assign_dead_letters(where, to, dry_run=dry_run))

    def purge_dead_letters(self, where: JobFilter, *, dry_run: bool = False) -> BulkResult:
        """Remove the dead letters that match without a trace; an administrator's call.

        `where`, `dry_run` and errors are as for `redrive_dead_letters`.

        Raises:
            NotPermitted: this login is no administrator.

        """
        return self._run(lambda producer: producer.purge_dead_letters(where, dry_run=dry_run))
