"""What a job asks of a robot, and what a robot offers: the same four words, compared by JSON containment in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = ("capabilities", "labels", "environment", "pool")


def check_requirements(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return requirements in their one canonical form.

    Raises:
        ValueError: an unknown word, or a value of the wrong kind.

    """
    unknown = sorted(set(value) - set(_WORDS))
    if unknown:
        raise ValueError(f"unknown requirement {unknown[0]!r}: there are {', '.join(_WORDS)}")
    return offers(
        capabilities=value.get("capabilities") or (),
        labels=value.get("labels") or {},
        environment=value.get("environment"),
        pool=value.get("pool"),
    )


def offers(
    capabilities: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    environment: str | None = None,
    pool: str | None = None,
) -> dict[str, Any]:
    """Return what a robot offers, in the form that requirements are compared with.

    Raises:
        ValueError: a value of the wrong kind.

    """
    found: dict[str, Any] = {}
    if capabilities:
        if isinstance(capabilities, str) or not all(_is_word(word) for word in capabilities):
            raise ValueError("capabilities must be a list of words")
        found["capabilities"] = sorted(set(capabilities))
    if labels:
        if not isinstance(labels, Mapping) or not all(_is_word(part) for pair in labels.items() for part in pair):
            raise ValueError("labels must be an object of words")
        found["labels"] = dict(sorted(labels.items()))
    for name, word in (("environment", environment), ("pool", pool)):
        if word is not None:
            if not _is_word(word):
                raise ValueError(f"{name} must be a word")
            found[name] = word
    return found


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and "\x00" not in value and value.isprintable()
