"""Checks of what is said about jobs; each returns what it checked and raises `InvalidJob` for what cannot be right."""

from __future__ import annotations

from casare_rpa.foundation.errors import InvalidJob
from casare_rpa.foundation.jsontext import to_json
from casare_rpa.infrastructure.queue.models import MAX_COMMENT


def check_payload(payload: object, limit: int) -> str:
    """Return a payload, which must be a JSON object of up to `limit` bytes, as JSON."""
    if not isinstance(payload, dict):
        raise InvalidJob(f"payload must be a JSON object (a dict), not {type(payload).__name__}")
    return to_json(payload, "payload", limit)


def check_comment(comment: object) -> str:
    """Return a comment, which must be a text of 1 to 10,000 characters that PostgreSQL can store."""
    if not isinstance(comment, str):
        raise InvalidJob(f"a comment is a text, not {type(comment).__name__}")
    to_json(comment, "comment")
    if not 1 <= len(comment) <= MAX_COMMENT:
        raise InvalidJob(f"a comment has 1 to {MAX_COMMENT:,} characters, not {len(comment):,}")
    return comment


def check_assignee(to: object) -> str | None:
    """Return to whom something is assigned: a name of 1 to 200 characters, or None for nobody."""
    if to is None:
        return None
    if not isinstance(to, str) or not 1 <= len(to) <= 200:
        raise InvalidJob(f"assigned_to must be a name of 1 to 200 characters, or None for nobody, not {to!r:.60}")
    to_json(to, "assigned_to")
    return to


def check_priority(priority: object) -> int:
    """Return a priority, which must be a whole number from 0 to 20."""
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 20:
        raise InvalidJob(f"priority must be a whole number from 0 to 20, not {priority!r:.60}")
    return int(priority)
