"""Whether one JSON document contains another, as PostgreSQL's ``@>`` says it."""

from __future__ import annotations

from typing import Any


def contains(whole: Any, part: Any) -> bool:
    """Return whether every key, item and value of `part` is in `whole` too; a list contains another in any order."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(item, wanted) for item in whole) for wanted in part)
    if isinstance(whole, bool) or isinstance(part, bool):  # True is 1 in Python, and is not in JSON
        return whole is part
    return bool(whole == part)
