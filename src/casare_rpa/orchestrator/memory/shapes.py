"""The shape of an error: `error_shape`, by the rules of the SQL function."""

from __future__ import annotations

import re

_LINE = 1000
_SHAPE = 200
# PostgreSQL takes the longest match; of two alternatives the longer one comes first here.
_FOLDS = [
    (re.compile(pattern, re.ASCII), fold)
    for pattern, fold in (
        (r"\s+", " "),
        # In quotes a path may have spaces.
        (r"'(?:[A-Za-z]:[\\/]|\\\\|~?/)[^']*'", "'<path>'"),
        (r'"(?:[A-Za-z]:[\\/]|\\\\|~?/)[^"]*"', '"<path>"'),
        (r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]*[^\s\"'<>.,;:)\]]", "<path>"),
        (r"([^A-Za-z0-9_<>]|^)(?:[A-Za-z]:[\\/]|\\\\)[^\s\"'<>|,;:)\]]*", r"\1<path>"),
        (r"([\s\"'(=\[,:;]|^)(?:~|\.\.?)?/[^\s\"'<>,;:()\[\]]+", r"\1<path>"),
        (
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?",
            "<time>",
        ),
        (r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?", "<time>"),
        (r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", "<id>"),
        (r"0x[0-9A-Fa-f]+", "<id>"),
        (r"\b(?=[A-Fa-f]*[0-9])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{8,}\b", "<id>"),
        (r"\b(?=[A-Za-z_]*[0-9])[A-Za-z0-9_]{20,}\b", "<id>"),
        (r"[0-9]+(?:[.,][0-9]+)*", "<n>"),
    )
]


def error_shape(error: str | None) -> str:
    """Return the first line of an error in which what differs from case to case is folded, 200 characters at most."""
    first = re.search(r"\S[^\n\r]*", error or "", re.ASCII)
    shape = first.group()[:_LINE] if first else ""
    for pattern, fold in _FOLDS:
        shape = pattern.sub(fold, shape)
    return shape[:_SHAPE].rstrip(" ")
