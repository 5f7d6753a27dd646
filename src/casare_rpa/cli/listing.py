"""Prints lists page by page, and says how to go on where one ends before its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.cli.faults import BadInput
from casare_rpa.cli.output import JsonArray, as_document, note
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from casare_rpa.cli.selection import Selection
    from casare_rpa.infrastructure.queue import JobModel, JobPage, PgQueuerProducer

    Fetch = Callable[[PgQueuerProducer, int, str | None], Awaitable[JobPage]]
    Show = Callable[[Sequence[JobModel], bool], None]

_PAGE = 1000
DEFAULT_LIMIT = 100


def print_pages(
    fetch: Fetch,
    show: Show,
    where: Selection,
    *,
    limit: int,
    after: str | None,
    everything: bool,
    as_json: bool,
    none: str,
) -> None:
    """Print a page of jobs, or all pages.

    Args:
        fetch: gets a page: of at most so many jobs, after a cursor.
        show: prints jobs for people, with the titles of the columns or without.
        where: the filter, as it was typed.
        limit: jobs on the page.
        after: the cursor to go on from.
        everything: print all pages.
        as_json: print an array.
        none: what to say when there is nothing.

    """
    if everything and limit != DEFAULT_LIMIT:
        raise BadInput("give --limit or --all, not both")
    printer = _Printer(show, none, as_json=as_json)
    size = _PAGE if everything else limit

    async def converse(producer: PgQueuerProducer) -> JobPage:
        page = await fetch(producer, size, after)
        printer.take(page)
        while everything and page.next is not None:
            page = await fetch(producer, size, page.next)
            printer.take(page)
        return page

    last = ask(converse)
    printer.end(complete=last.next is None)
    if last.next is not None:
        short = f"{len(last)} found in the {last.looked_at} rows that were looked at; " if len(last) < limit else ""
        again = f", with{where.reckoned_times}" if where.reckoned_times else ""
        note(f"{short}there may be more: --after {last.next}{again}")


class _Printer:
    """Prints pages as they come: a large list is never held as a whole."""

    def __init__(self, show: Show, none: str, *, as_json: bool) -> None:
        self._show = show
        self._none = none
        self._array = JsonArray() if as_json else None
        self._count = 0

    def take(self, page: JobPage) -> None:
        if self._array is not None:
            for job in page:
                self._array.add(as_document(job))
        elif page:
            self._show(page, self._count == 0)
        self._count += len(page)

    def end(self, *, complete: bool) -> None:
        if self._array is not None:
            self._array.end()
        elif complete and not self._count:
            note(self._none)
