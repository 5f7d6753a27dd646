"""Remembers what somebody did to a job by hand: `comment_job` and what the others record."""

from __future__ import annotations

import getpass
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import InvalidJob, JobNotFound
from casare_rpa.orchestrator.memory.records import Action

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.orchestrator.memory.store import Store

MOST = 1000
"""Comments and edits of a job, and of all else as many."""
_STAY = {"commented", "edited", "resolved"}


def comment_job(store: Store, job_id: UUID, comment: str) -> None:
    """Write a comment on a job.

    Raises:
        JobNotFound: there is no such job.
        InvalidJob: it is one too many.

    """
    if store.find(job_id) is None:
        raise JobNotFound(job_id)
    check_room(store, job_id)
    record(store, job_id, "commented", comment)


def record(
    store: Store, job_id: UUID, action: str, comment: str | None = None, detail: dict[str, Any] | None = None
) -> None:
    """Remember what was done."""
    text = json.dumps(detail, ensure_ascii=False, default=datetime.isoformat) if detail else None
    kept = store.actions.setdefault(job_id, [])
    kept.append(Action(store.clock.now(), actor(), action, comment, text))
    passing = [each for each in kept if each.action not in _STAY]
    if len(passing) > MOST:
        kept.remove(passing[0])


def check_room(store: Store, job_id: UUID) -> None:
    """Raise `InvalidJob` when a job has taken all the comments and edits that it may."""
    written = sum(action.action in {"commented", "edited"} for action in store.actions.get(job_id, ()))
    if written >= MOST:
        raise InvalidJob(f"the job {job_id} has {MOST} comments and edits already")


def actor() -> str:
    """Return who acts: the user that this process runs as, for there are no logins here."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return "unknown"
