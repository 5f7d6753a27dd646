"""What can go wrong with the demo itself."""

from __future__ import annotations


class CannotRunError(Exception):
    """The demo cannot be run here; the message says what is wrong and what would be right."""


class PromiseBrokenError(Exception):
    """Something did not come as promised; the message says what."""
