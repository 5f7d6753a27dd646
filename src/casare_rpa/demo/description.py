"""Reads what a distribution says of itself: name, version, licence."""

from __future__ import annotations

import email
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import BusinessError

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

LONGEST = 200
"""Characters kept of each text."""


def describe(metadata: Path) -> dict[str, str]:
    """Return the ``name``, ``version`` and ``licence`` in the folder `metadata`; the licence may be empty.

    Raises:
        BusinessError: there is no METADATA, or it lacks the name or the version.

    """
    try:
        said = email.message_from_string((metadata / "METADATA").read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, NotADirectoryError):
        raise BusinessError(f"{metadata.name} has no METADATA: nothing says what it is") from None
    found = {"name": _field(said, "Name"), "version": _field(said, "Version"), "licence": _licence(said)}
    for key in ("name", "version"):
        if not found[key]:
            raise BusinessError(f"{metadata.name}/METADATA has no {key.capitalize()}")
    return {key: " ".join(text.split())[:LONGEST] for key, text in found.items()}


def _licence(said: Message) -> str:
    """Return the licence from the best of three places: old distributions put its whole text where its name belongs."""
    if expression := _field(said, "License-Expression"):
        return expression
    text = str(said.get("License") or "").strip()
    if text and text.upper() != "UNKNOWN" and "\n" not in text:
        return text
    classifiers = [str(line) for line in said.get_all("Classifier") or []]
    names = [line.rpartition("::")[2].strip() for line in classifiers if line.startswith("License ::")]
    return "; ".join(names) or text.partition("\n")[0]


def _field(said: Message, key: str) -> str:
    return str(said.get(key) or "").strip()
