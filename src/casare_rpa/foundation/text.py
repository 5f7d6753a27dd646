"""Text that strangers wrote, made fit for a terminal."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Return text on one line in which everything that cannot be printed stands as an escape, such as ``\n`` or ``\x1b``.

    That covers what moves the cursor, sets colours or titles, or turns the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
