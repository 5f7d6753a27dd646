"""Reads what a client says to PostgreSQL, as far as to know which statement it executes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENCRYPTION_REQUESTS = {80877103, 80877104}


class Statements:
    """Follows one connection from its first byte."""

    def __init__(self) -> None:
        self._unread = b""
        self._began = False
        self._prepared: dict[bytes, str] = {}

    def executed_by(self, data: bytes) -> Iterator[str]:
        """Return the SQL of every statement whose execution these further bytes ask for."""
        self._unread += data
        while (message := self._next()) is not None:
            kind, body = message
            if kind == b"P":
                name, sql, _ = body.split(b"\0", 2)
                self._prepared[name] = sql.decode()
            elif kind == b"B":
                yield self._prepared.get(body.split(b"\0", 2)[1], "")
            elif kind == b"Q":
                yield body[:-1].decode()

    def _next(self) -> tuple[bytes, bytes] | None:
        head = 1 if self._began else 0  # the first messages have no kind
        if len(self._unread) < head + 8 - 3 * self._began:
            return None
        [length] = struct.unpack_from("!I", self._unread, head)
        if len(self._unread) < head + length:
            return None
        kind, body = self._unread[:head], self._unread[head + 4 : head + length]
        self._unread = self._unread[head + length :]
        if not self._began:
            self._began = struct.unpack_from("!I", body)[0] not in _ENCRYPTION_REQUESTS
        return kind, body
