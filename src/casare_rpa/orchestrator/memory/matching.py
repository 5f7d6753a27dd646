"""Which jobs a filter means: `read_filter` and `match_jobs`."""

from __future__ import annotations

import heapq
import json
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue.filters import JobFilter
from casare_rpa.orchestrator.memory.containment import contains
from casare_rpa.orchestrator.memory.shapes import error_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store


def page_of(jobs: Iterable[Job], limit: int, after: UUID | None) -> tuple[list[Job], UUID | None]:
    """Return a page of these jobs, newest id first and below `after`, and the id after which the next page goes on."""
    rest = (job for job in jobs if after is None or job.id < after)
    page = heapq.nlargest(limit + 1, rest, key=lambda job: job.id)
    return page[:limit], page[limit - 1].id if len(page) > limit else None


def everything_matching(store: Store, where: str) -> Iterator[Job]:
    """Yield the jobs, wherever they are, that a filter means; ids are looked up.

    Raises:
        InvalidFilter: it is no filter; the message names the key.

    """
    ids = JobFilter(**json.loads(where)).ids
    found = store.everything() if ids is None else [job for key in set(ids) if (job := store.find(key)) is not None]
    return matching(found, where)


def matching(jobs: Iterable[Job], where: str) -> Iterator[Job]:
    """Yield those of some jobs that a filter means.

    Raises:
        InvalidFilter: it is no filter; the message names the key.

    """
    asked = JobFilter(**json.loads(where))
    checks = [_CHECKS[key](getattr(asked, key)) for key in asked.model_fields_set if getattr(asked, key) is not None]
    return (job for job in jobs if all(check(job) for check in checks))


def _has(name: str) -> Callable[..., Callable[[Job], bool]]:
    return lambda value: lambda job: bool(getattr(job, name) == value)


def _ids(ids: list[UUID]) -> Callable[[Job], bool]:
    wanted = set(ids)
    return lambda job: job.id in wanted


def _status(status: str | list[str]) -> Callable[[Job], bool]:
    wanted = {status} if isinstance(status, str) else set(status)
    return lambda job: job.status in wanted


def _tags(tags: list[str]) -> Callable[[Job], bool]:
    return lambda job: set(tags) <= set(job.tags or ())


def _metadata(part: object) -> Callable[[Job], bool]:
    return lambda job: job.metadata is not None and contains(json.loads(job.metadata), part)


def _error(text: str) -> Callable[[Job], bool]:
    return lambda job: job.error is not None and _fold(text) in _fold(job.error)


def _fold(text: str) -> str:
    """Return what is the same whatever the locale of a database."""
    return text.translate(_SMALL)


_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


_CHECKS: dict[str, Callable[..., Callable[[Job], bool]]] = {
    "ids": _ids,
    "queue_name": _has("queue_name"),
    "status": _status,
    "workflow": _has("workflow"),
    "tenant_id": _has("tenant_id"),
    "tags": _tags,
    "metadata": _metadata,
    "robot": _has("claimed_by"),
    "reference": lambda reference: lambda job: job.reference == reference and job.status != "CANCELLED",
    "since": lambda moment: lambda job: job.created_at >= moment,
    "until": lambda moment: lambda job: job.created_at < moment,
    "error": _error,
    "reason": _has("reason"),
    "shape": lambda shape: lambda job: job.reason is not None and error_shape(job.error) == shape,
    "assigned_to": lambda name: lambda job: job.reason is not None and (job.assigned_to or "") == name,
}
