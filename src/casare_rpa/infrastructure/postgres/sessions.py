"""Opens connections, and finds out whether each has a session of its own or shares sessions with others through a pooler."""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum
from typing import Any

import asyncpg

CONNECT_TIMEOUT = 10.0
"""Seconds a connection may take to be opened."""
COMMAND_TIMEOUT = 30.0
"""Seconds a statement may take before its connection is taken for half-open."""

_SESSION_SETTINGS = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60000",
}


_ARRAYS = {
    "bool": (1000, 16),
    "int8": (1016, 20),
    "int4": (1007, 23),
    "float8": (1022, 701),
    "timestamptz": (1185, 1184),
} | {
    "uuid": (2951, 2950),
    "jsonb": (3807, 3802),
}
"""Types of PostgreSQL's whose arrays asyncpg does not know: their arrays' oid and their own, the same in every server."""


class PlainConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg carries no types
    """A connection that goes back to its pool without a reset: our functions leave no state in a session."""

    shares_sessions = False
    """Whether a pooler stands before the server. (`isinstance` does not tell asyncpg's connections from each other.)"""

    def get_reset_query(self) -> str:
        return ""


class PooledConnection(PlainConnection):
    """A connection through a pooler: every transaction may run in another session, which others use too."""

    shares_sessions = True

    async def _introspect_types(self, typeoids: Any, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncpg's own
        """Let asyncpg look types up without a trace: it turns JIT off for that, and back on in whichever session comes then."""
        if self.is_in_transaction():
            return await super()._introspect_types(typeoids, timeout)
        transaction = self.transaction()
        await transaction.start()
        try:
            return await super()._introspect_types(typeoids, timeout)
        finally:
            await transaction.rollback()


class _Door(Enum):
    """How a URL is connected to."""

    SESSION = "its sessions are ours, and take settings when they begin"
    BARE_SESSION = "its sessions are ours, but what stands before them takes no settings"
    POOLED = "sessions are shared"


_doors: dict[tuple[str, bool], _Door] = {}
"""What was found behind a URL the last time. It only saves a connection that would be refused: every one is looked at."""


async def open_connection(
    url: str, application_name: str, *, own_session: bool = False, patience: float = COMMAND_TIMEOUT
) -> PlainConnection:
    """Open one connection: a `PooledConnection` if a pooler answers, which shows another backend's id than the one that works.

    Args:
        url: a URL of PostgreSQL's or of a pooler's.
        application_name: as the server shows it.
        own_session: the URL is known to give each connection a session of its own; a pooler in session mode does too.
        patience: seconds that a statement may take; that opening may take too, if less than 10.

    Raises:
        whatever asyncpg raises, TimeoutError when it takes too long.

    """
    door = _doors.get((url, own_session), _Door.SESSION)
    async with asyncio.timeout(min(CONNECT_TIMEOUT, patience)):
        while True:
            try:
                connection: PlainConnection = await asyncpg.connect(**_arguments(url, application_name, door, patience))
            except asyncpg.ProtocolViolationError as error:
                if door is not _Door.SESSION or "startup parameter" not in str(error):
                    raise
                door = _Door.BARE_SESSION if own_session else _Door.POOLED
                continue
            _teach_arrays(connection)
            if own_session:
                _doors[url, own_session] = door
                return connection
            shared = await _is_shared(connection)
            if shared and door is not _Door.POOLED:
                await connection.close()
                door = _Door.POOLED
                continue
            # One of our own that is taken for shared does no harm: the next is opened as what it is.
            _doors[url, own_session] = _Door.POOLED if shared else _Door.SESSION
            return connection


def _arguments(url: str, application_name: str, door: _Door, patience: float) -> dict[str, Any]:
    settings = _SESSION_SETTINGS if door is _Door.SESSION else {}
    return {
        "dsn": url,
        "connection_class": PooledConnection if door is _Door.POOLED else PlainConnection,
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": patience,
        # A statement that is prepared in one session would be called in another.
        "statement_cache_size": 0 if door is _Door.POOLED else 100,
        "server_settings": {**settings, "application_name": application_name[:63]},
    }


def _teach_arrays(connection: asyncpg.Connection) -> None:
    """Tell asyncpg of the arrays that we use. Else it asks the server, in six turns of a link that may be slow."""
    nothing = dict.fromkeys(("range_subtype", "attrtypoids", "attrnames", "basetype", "elemtype_name"))
    arrays = [
        {**nothing, "oid": oid, "ns": "pg_catalog", "name": f"_{name}", "kind": b"b", "elemtype": own, "elemdelim": ","}
        for name, (oid, own) in _ARRAYS.items()
    ]
    with contextlib.suppress(
        AttributeError, KeyError, TypeError
    ):  # another asyncpg may want to know more: it asks, then
        connection.get_settings().register_data_types(arrays)


async def _is_shared(connection: asyncpg.Connection) -> bool:
    """Return whether the backend that works is not the one that the connection was told of when it was opened."""
    try:
        # Without a name: a named one would stay behind in a session that is not ours.
        statement = await connection.prepare("SELECT pg_backend_pid()", name="")
        return bool(await statement.fetchval() != connection.get_server_pid())
    except BaseException:
        connection.terminate()
        raise
