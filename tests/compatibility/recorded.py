"""What programs of schema version 1 sent and the functions that they found, as recorded from the last of them.

Nothing here is made from today's code. A release that no longer serves them deletes it, together with `oldest_program`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

_RECORDED = json.loads((Path(__file__).parent / "version_1.json").read_text(encoding="utf-8"))
CALLS: dict[str, dict[str, str]] = _RECORDED["calls"]
"""By name: the statement, the types of its arguments, and the names and types of the columns of its answer."""
FUNCTIONS: list[str] = _RECORDED["functions"]
"""Names, arguments and results of all functions of the schema."""
TABLES = ["0001_queue.sql"]
"""The migrations of that version."""


class OldProgram:
    """A session of a program of version 1: it sends what that sent and takes the answer apart as that did."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def call(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        """Make a recorded call; its arguments and its answer must have the recorded types."""
        call = CALLS[name]
        statement = await self._connection.prepare(call["sql"])
        assert ", ".join(each.name for each in statement.get_parameters()) == call["takes"], name
        assert ", ".join(f"{each.name} {each.type.name}" for each in statement.get_attributes()) == call["gives"], name
        rows: list[asyncpg.Record] = await statement.fetch(*arguments)
        return rows

    async def value(self, name: str, *arguments: Any) -> Any:
        [row] = await self.call(name, *arguments)
        return row[0]


def claimed(row: asyncpg.Record) -> dict[str, Any]:
    """Read a claimed job as version 1 did: what it took out by name must be there."""
    fields = _common(row)
    for name in ("seq", "route_id", "request_xid", "oldest_xid", "lease_seconds", "lease_token"):
        del fields[name]
    return fields


def found(row: asyncpg.Record) -> dict[str, Any]:
    """Read a job that was looked up as version 1 did."""
    fields = _common(row)
    del fields["seq"]
    fields["result"] = None if fields["result"] is None else json.loads(fields["result"])
    fields["dead_letter_reason"] = fields.pop("reason")
    return fields


def _common(row: asyncpg.Record) -> dict[str, Any]:
    fields = dict(row)
    fields["payload"] = json.loads(fields["payload"])
    assert fields["status"] in {"PENDING", "CLAIMED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"}
    for name in ("metadata", "requirements"):
        fields[name] = json.loads(fields[name] or "{}")
    return fields
