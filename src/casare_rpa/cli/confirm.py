"""Asks before something is done that cannot be undone, where there is somebody to ask."""

from __future__ import annotations

import sys

from casare_rpa.cli.text import visible


def can_ask() -> bool:
    """Return whether a person sits at both ends."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Put a question to the person at the terminal; everything but yes is no."""
    sys.stderr.write(f"casare: {visible(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
