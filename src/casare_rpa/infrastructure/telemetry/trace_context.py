"""The W3C trace context of a job: two reserved keys of its metadata, which every robot and every SQL caller can read and write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
_LONGEST = 1024
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_LENGTH_OF_VERSION_0 = 55


def context_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the trace context in a job's metadata; empty when there is none, or none that is well formed."""
    if trace_id_of(metadata) is None:
        return {}
    state = metadata.get(TRACESTATE)
    usable = isinstance(state, str) and len(state) <= _LONGEST
    return {TRACEPARENT: metadata[TRACEPARENT]} | ({TRACESTATE: state} if usable else {})


def trace_id_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the trace that a job belongs to, 32 hexadecimal digits, if its metadata says."""
    parent = metadata.get(TRACEPARENT)
    found = _TRACEPARENT.fullmatch(parent) if isinstance(parent, str) and len(parent) <= _LONGEST else None
    if found is None or (found[0].startswith("00") and len(found[0]) > _LENGTH_OF_VERSION_0):
        return None
    return found["trace"]


def carries_context(metadata: Mapping[str, Any]) -> bool:
    """Whether somebody has put a trace context into a job's metadata, which is left alone then."""
    return TRACEPARENT in metadata or TRACESTATE in metadata
