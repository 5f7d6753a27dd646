"""What a job asks of a robot, and what a robot offers: the same four words, compared by containment in the database."""

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
    if words := _list_of_words(capabilities or ()):
        found["capabilities"] = words
    if pairs := _object_of_words(labels or {}):
        found["labels"] = pairs
    for name, word in (("environment", environment), ("pool", pool)):
        if word is not None:
            if not is_word(word):
                raise ValueError(f"{name} must be a word")
            found[name] = word
    return found


def _list_of_words(value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("capabilities must be a list of words")  # noqa: TRY004 - pydantic reports ValueErrors
    words = list(value)
    if not all(map(is_word, words)):
        raise ValueError("capabilities must be a list of words")
    return sorted(set(words))


def _object_of_words(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(is_word(part) for pair in value.items() for part in pair):
        raise ValueError("labels must be an object of words")
    return dict(sorted(value.items()))


def is_word(value: object) -> bool:
    """Return whether a value is a word: 1 to 200 printable characters."""
    return isinstance(value, str) and 0 < len(value) <= 200 and "\x00" not in value and value.isprintable()
