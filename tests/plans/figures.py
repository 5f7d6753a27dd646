"""What was measured in this run, for the table at its end."""

from __future__ import annotations

_figures: list[tuple[str, str, int]] = []


def record(call: str, state: str, buffers: int) -> int:
    """Remember a figure and return it."""
    _figures.append((call, state, buffers))
    return buffers


def table() -> list[str]:
    """Return the lines of a table of everything recorded."""
    return [f"{call:<28} {state:<52} {buffers:>6}" for call, state, buffers in _figures]
