"""Doing something to all jobs that match, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import InvalidFilter
from casare_rpa.foundation.ids import new_request
from casare_rpa.infrastructure.queue.calls import BulkPage
from casare_rpa.infrastructure.queue.filters import JobFilter
from casare_rpa.infrastructure.queue.models import MAX_PAGE
from casare_rpa.infrastructure.queue.pages import BulkResult
from casare_rpa.infrastructure.queue.producing.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any
    from uuid import UUID

    import asyncpg

    Act = Callable[[asyncpg.Connection, str, BulkPage], Awaitable[list[Any]]]


class Bulk(Session):
    """Goes through what matches, from the newest id to the oldest, so that what comes back meanwhile is not met again."""

    async def _do_to_all(self, verb: str, where: JobFilter, act: Act, *, dry_run: bool) -> BulkResult:
        """Do something to pages of what matches, each in a transaction of its own.

        Raises:
            InvalidFilter: `where` is no filter, or names nothing.

        """
        where = check_filter(where)
        if where.is_empty:
            raise InvalidFilter(f'say what to {verb}, for example JobFilter(queue_name="{self.config.queue_name}")')
        text = where.to_json()
        count, after = 0, None
        ids: list[UUID] = []
        while True:
            page = BulkPage(MAX_PAGE, after, dry_run, None if dry_run else new_request())
            *done, note = await self._do_to_page(act, text, page)
            count += len(done)
            ids += [row["id"] for row in done[: MAX_PAGE - len(ids)]]
            after = note["resume_after"]
            if after is None:
                return BulkResult(count=count, ids=ids, dry_run=dry_run)

    async def _do_to_page(self, act: Act, text: str, page: BulkPage) -> list[Any]:
        return await self._call(lambda c: act(c, text, page))


def check_filter(where: object) -> JobFilter:
    """Return the filter, which must be one; None is the one that everything matches.

    Raises:
        InvalidFilter: it is something else.

    """
    if where is None:
        return JobFilter()
    if not isinstance(where, JobFilter):
        raise InvalidFilter(f"a filter is a JobFilter, not {type(where).__name__}")
    return where
