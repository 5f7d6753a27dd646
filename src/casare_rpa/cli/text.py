"""Text that strangers wrote, made fit for a terminal."""

from __future__ import annotations

from casare_rpa.foundation.text import visible

__all__ = ["shortened", "visible"]


def shortened(text: str, limit: int) -> str:
    """Return the first line of a text, at most `limit` characters of it, with "…" where something was cut."""
    first = text.split("\n", 1)[0].rstrip()
    return first if first == text and len(first) <= limit else first[: limit - 1] + "…"
