"""PostgreSQL's protocol, as far as a link must read it: where messages end, and which statement a client executes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Messages:
    """Cuts a stream of bytes into whole messages, each with its kind (none for a client's first) and its body."""

    def __init__(self, *, first_has_kind: bool) -> None:
        self._head = 1 if first_has_kind else 0
        self._unread = b""

    def of(self, data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Return kind, body and raw bytes of every message that these further bytes complete."""
        self._unread += data
        while len(self._unread) >= self._head + 4:
            [length] = struct.unpack_from("!I", self._unread, self._head)
            end = self._head + length
            if len(self._unread) < end:
                return
            message, self._unread = self._unread[:end], self._unread[end:]
            yield message[: self._head], message[self._head + 4 :], message
            self._head = 1


class Statements:
    """What one client executes, from its first byte on."""

    def __init__(self) -> None:
        self._messages = Messages(first_has_kind=False)
        self._prepared: dict[bytes, str] = {}

    def executed_by(self, data: bytes) -> Iterator[str]:
        """Return the SQL of every statement whose execution these further bytes ask for."""
        for kind, body, _ in self._messages.of(data):
            if kind == b"P":
                name, sql, _rest = body.split(b"\0", 2)
                self._prepared[name] = sql.decode()
            elif kind == b"B":
                yield self._prepared.get(body.split(b"\0", 2)[1], "")
            elif kind == b"Q":
                yield body[:-1].decode()
