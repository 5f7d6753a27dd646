"""JSON text that PostgreSQL's jsonb takes: payloads are refused with the place of the fault, results and errors are made safe."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import Any

from casare_rpa.foundation.errors import InvalidJob

MAX_DEPTH = 64
"""Levels of nesting that a JSON document may have."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_make_encoder = getattr(json.encoder, "c_make_encoder", None)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def to_json(value: Any, name: str, limit: int | None = None) -> str:
    """Return `value` as JSON text.

    Args:
        value: anything JSON can hold.
        name: what the value is called in an error, for example ``payload``.
        limit: bytes of UTF-8 that the text may have; None is no limit.

    Raises:
        InvalidJob: it holds what JSON or jsonb cannot (NaN, bytes, NUL, unpaired surrogates), is nested deeper than
            64 levels, or is larger than the limit. The message says where.

    """
    try:
        text = _encoder.encode(value)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise InvalidJob(_find_fault(value, name) or f"{name} cannot be written as JSON") from None
    suspicious = "\\u0000" in text or text.count("[") + text.count("{") > MAX_DEPTH
    if suspicious and (fault := _find_fault(value, name)):
        raise InvalidJob(fault)
    if limit is not None and size > limit:
        raise InvalidJob(f"{name} has {size} bytes as JSON, more than the limit of {limit}")
    return text


class _Encoder(threading.local):
    """Keeps what `JSONEncoder.encode` makes for each call, which takes three times as long as writing an ordinary payload."""

    def __init__(self) -> None:
        self._on_the_way: dict[int, Any] = {}
        """The containers that are being written, to find a circle at its first turn."""
        self._chunks = _make_encoder and _make_encoder(
            self._on_the_way, _ENCODER.default, json.encoder.encode_basestring, None, ": ", ", ", False, False, False
        )

    def encode(self, value: Any) -> str:
        if self._chunks is None:
            return _ENCODER.encode(value)
        try:
            return "".join(self._chunks(value, 0))
        except BaseException:
            self._on_the_way.clear()
            raise


_encoder = _Encoder()


def make_safe(value: Any) -> Any:
    """Return a copy of a JSON value in which NUL and unpaired surrogates are replaced by U+FFFD."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, Mapping):
        return {make_safe(key) if isinstance(key, str) else key: make_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [make_safe(item) for item in value]
    return value


def safe_text(text: str) -> str:
    """Return the text with NUL and unpaired surrogates replaced by U+FFFD: PostgreSQL stores neither."""
    return _UNSTORABLE.sub("\ufffd", text)


def _find_fault(value: Any, where: str, depth: int = 1) -> str | None:
    if depth > MAX_DEPTH:
        return f"{where.split('.', maxsplit=1)[0].split('[', maxsplit=1)[0]} is nested deeper than {MAX_DEPTH} levels"
    match value:
        case None | bool():
            return None
        case str():
            return _find_fault_in_text(value, where)
        case int():
            return None if value.bit_length() < 10_000 else f"{where} is a number with thousands of digits"
        case float():
            return None if value - value == 0 else f"{where} is {value}, which JSON cannot hold"
        case Mapping():
            return _find_fault_in_object(value, where, depth)
        case list() | tuple():
            faults = (_find_fault(item, f"{where}[{n}]", depth + 1) for n, item in enumerate(value))
            return next(filter(None, faults), None)
    return f"{where} is of type {type(value).__name__}, which JSON cannot hold"


def _find_fault_in_object(value: Mapping[Any, Any], where: str, depth: int) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str | int | float | bool | None):
            return f"{where} has a key of type {type(key).__name__}; keys are strings"
        fault = _find_fault_in_text(str(key), f"a key of {where}") or _find_fault(item, f"{where}.{key}", depth + 1)
        if fault:
            return fault
    return None


def _find_fault_in_text(text: str, where: str) -> str | None:
    found = _UNSTORABLE.search(text)
    if found is None:
        return None
    kind = "a NUL character" if found.group() == "\x00" else "an unpaired surrogate"
    return f"{safe_text(where)} contains {kind} at position {found.start()}, which PostgreSQL cannot store"
