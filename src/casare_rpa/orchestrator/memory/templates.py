"""Checks what the jobs of a batch have in common, and fills in what it leaves out: `check_template` and `open_templates`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import InvalidJob
from casare_rpa.infrastructure.queue.models import MAX_TAGS

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 1_048_576
"""Bytes of a template as JSON."""
_DEFAULTS: dict[str, Any] = {
    "queue_name": "casare_rpa_jobs",
    "priority": 5,
    "max_retries": 3,
    "retry_delay": 5.0,
    "on_crash": "retry",
    "enable_dlq": True,
    "tenant_id": None,
    "visibility_timeout": None,
    "time_limit": None,
    "tags": None,
    "metadata": None,
    "requirements": None,
}


def open_templates(text: str) -> list[dict[str, Any]]:
    """Return the templates of a batch.

    Raises:
        InvalidJob: no robot could work from one of them; the message names the field.

    """
    return [_checked({**_DEFAULTS, **template}) for template in json.loads(text)]


def _checked(template: dict[str, Any]) -> dict[str, Any]:
    for field, (is_right, problem) in _RULES.items():
        if field not in template or not is_right(template[field]):
            raise InvalidJob(problem)
    if len(template["tags"] or ()) > MAX_TAGS:
        raise InvalidJob(f"tags: {MAX_TAGS} at most")
    if unknown := sorted(set(template) - set(_RULES)):
        raise InvalidJob(f'there is no field "{unknown[0]}"')
    size = len(json.dumps(template, ensure_ascii=False).encode())
    if size > LIMIT:
        raise InvalidJob(f"a template has {size} bytes, more than the limit of {LIMIT}")
    return template


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 200


def _is_whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_seconds(least: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= 1e9


def _or_nothing(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_name, value))


def _are_requirements(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) - {"capabilities", "labels", "environment", "pool"}:
        return False
    words, pairs = value.get("capabilities", []), value.get("labels", {})
    return (
        isinstance(words, list)
        and isinstance(pairs, dict)
        and all(isinstance(word, str) for word in (*words, *pairs.values()))
        and all(isinstance(value.get(name, ""), str) for name in ("environment", "pool"))
    )


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "workflow": (_is_name, "workflow must be a name of 1 to 200 characters"),
    "queue_name": (_is_name, "queue_name must be a name of 1 to 200 characters"),
    "tenant_id": (_or_nothing(_is_name), "tenant_id must be a name of 1 to 200 characters"),
    "priority": (_is_whole(0, 20), "priority must be a whole number from 0 to 20"),
    "max_retries": (_is_whole(1, 9999), "max_retries must be a whole number from 1 to 9999"),
    "retry_delay": (_is_seconds(0), "retry_delay must be 0 seconds or more"),
    "visibility_timeout": (_or_nothing(_is_seconds(0.1)), "visibility_timeout must be 0.1 seconds or more"),
    "time_limit": (_or_nothing(_is_seconds(0.001)), "time_limit must be more than 0 seconds"),
    "on_crash": (lambda value: value in ("retry", "hold", "fail"), "on_crash must be retry, hold or fail"),
    "enable_dlq": (lambda value: isinstance(value, bool), "enable_dlq must be true or false"),
    "tags": (_or_nothing(_is_list_of_names), "tags must be words of 1 to 200 characters"),
    "metadata": (_or_nothing(lambda value: isinstance(value, dict)), "metadata must be a JSON object"),
    "requirements": (
        _or_nothing(_are_requirements),
        "requirements may say capabilities (a list of words), labels (an object of words), environment and pool (words)",
    ),
}
