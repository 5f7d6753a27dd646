"""What lists and what is done to many jobs at once return: pages with their cursors, and counts."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from casare_rpa.foundation.errors import InvalidFilter
from casare_rpa.infrastructure.queue.models import DeadLetterGroup, JobModel

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOK = 20_000
"""Rows of each table that one page looks at, at most."""
MOST_COUNTED = 1_000_000
"""Rows that a count looks at, at most."""
_LONGEST_CURSOR = 500


class JobPage(list[JobModel]):
    """A page of a list of jobs.

    Attributes:
        next: the cursor of the next page; None when this page reaches the end. A page may hold fewer jobs than were asked for,
            even none, and still have a next one: each looks at a bounded number of rows.
        looked_at: rows that were looked at for this page.

    """

    def __init__(self, jobs: Iterable[JobModel], next: str | None, looked_at: int) -> None:  # noqa: A002 - its name
        super().__init__(jobs)
        self.next = next
        self.looked_at = looked_at


class GroupList(list[DeadLetterGroup]):
    """Groups of dead letters, the biggest first.

    Attributes:
        complete: False when there are further letters, or further groups, than were looked at: then the counts are those of
            the newest letters.
        looked_at: letters that were looked at.

    """

    def __init__(self, groups: Iterable[DeadLetterGroup], *, complete: bool, looked_at: int) -> None:
        super().__init__(groups)
        self.complete = complete
        self.looked_at = looked_at


class JobCount(BaseModel):
    """How many jobs match; when it is not `complete`, there are at least that many."""

    model_config = ConfigDict(frozen=True)

    count: int
    complete: bool


class BulkResult(BaseModel):
    """To how many jobs something was done, or would be done (`dry_run`), and the ids of the first 1000 of them.

    A page whose reply was lost on the way is done once and counted; only `purge_dead_letters` does not count it.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    ids: list[UUID]
    dry_run: bool


class Place(NamedTuple):
    """Where a list goes on: after the row with this id, and with this time where the list is in the order of times."""

    id: UUID | None = None
    time: datetime | None = None


def cursor(listing: str, filter_text: str, place: Place) -> str | None:
    """Return the cursor that leads a list on from here, or None at its end. It holds for this listing and this filter alone."""
    if place.id is None:
        return None
    words = [listing, _digest(filter_text), str(place.id), place.time and place.time.isoformat()]
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")


def place_of(after: str | None, listing: str, filter_text: str) -> Place:
    """Return the place that a cursor stands for; None is the beginning.

    Raises:
        InvalidFilter: it is no cursor, or one of another listing or of another filter.

    """
    if after is None:
        return Place()
    try:
        found, digest, job_id, time = _words(after)
        place = Place(UUID(job_id), datetime.fromisoformat(time) if time else None)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidFilter("after: this is no cursor; take the one in `next` of the page before") from None
    if found != listing or (listing == "dead letters") != (place.time is not None):
        raise InvalidFilter(f"after: this is no cursor of a list of {listing}")
    if digest != _digest(filter_text):
        raise InvalidFilter("after: this cursor belongs to a list with another filter; begin anew, or use that filter")
    return place


def _words(after: str) -> list[str]:
    if len(after) > _LONGEST_CURSOR:
        raise ValueError(after)
    words: list[str] = json.loads(base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True))
    return words


def _digest(filter_text: str) -> str:
    return hashlib.sha256(filter_text.encode()).hexdigest()[:16]
