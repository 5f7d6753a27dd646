"""The workplace of whoever looks after jobs that failed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.models import MAX_PAGE, JobModel, check_limit
from casare_rpa.infrastructure.queue.operations.session import Session, as_id
from casare_rpa.infrastructure.queue.rows import found_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


class DeadLetters(Session):
    """Looks at dead letters and decides about them."""

    async def list_dead_letters(
        self, *, queue_name: str | None = None, reason: str | None = None, limit: int = 100
    ) -> list[JobModel]:
        """Return dead letters, newest first, up to `limit` (1 to 1000).

        `reason` is ``exhausted``, ``business``, ``crashed``, ``in doubt`` or ``quarantined``; None is any.
        """
        check_limit(limit, MAX_PAGE)
        rows = await self._call(lambda c: self._calls.list_dead_letters(c, queue_name, reason, limit))
        return [found_job(row) for row in rows]

    async def redrive_jobs(self, job_ids: Sequence[UUID | str]) -> list[UUID]:
        """Put dead letters back into their queues, starting at attempt 1, and return the ids of those that were."""
        keys = [as_id(job_id) for job_id in job_ids]
        return await self._call(lambda c: self._calls.redrive(c, keys))
