"""How every connection is opened: named, with keepalives and timeouts, and without state that would have to be reset."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import asyncpg

from casare_rpa.foundation.errors import ConfigError, DatabaseUnavailable, ServerTooOld
from casare_rpa.infrastructure.postgres.faults import describe, translate

CONNECT_TIMEOUT = 10.0
"""Seconds a connection may take to be opened."""
COMMAND_TIMEOUT = 30.0
"""Seconds a statement may take before its connection is taken for half-open."""
OLDEST_SERVER = 140000

_SESSION_SETTINGS = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60000",
}


class PlainConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg carries no types
    """A connection that goes back to its pool without a reset: our functions leave no state in a session."""

    def get_reset_query(self) -> str:
        return ""


def connect_arguments(url: str, application_name: str) -> dict[str, Any]:
    """Return the arguments for `asyncpg.connect` and `asyncpg.create_pool`.

    Raises:
        ConfigError: the URL is none of PostgreSQL's. The message shows no part of it that could hold the password.

    """
    check_url(url)
    return {
        "dsn": url,
        "connection_class": PlainConnection,
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": COMMAND_TIMEOUT,
        "server_settings": {**_SESSION_SETTINGS, "application_name": application_name[:63]},
    }


async def connect(url: str, application_name: str) -> asyncpg.Connection:
    """Open one connection.

    Raises:
        ConfigError: the URL is wrong.
        DatabaseUnavailable: nothing answers there, or it refuses the login.
        ServerTooOld: the server is older than PostgreSQL 14.

    """
    try:
        connection = await asyncpg.connect(**connect_arguments(url, application_name))
    except Exception as error:  # noqa: BLE001 - whatever it is, the server cannot be used
        raise unreachable(url, error) from None
    if connection.get_server_version()[0] * 10000 < OLDEST_SERVER:
        version = server_version(connection)
        await connection.close()
        raise ServerTooOld(f"the server is PostgreSQL {version}; version 14 or newer is needed")
    return connection


def server_version(connection: asyncpg.Connection) -> str:
    """Return the server's version as it names itself, for example ``18.6``."""
    return str(connection.get_settings().server_version).split()[0]


def check_url(url: str) -> None:
    """Raise `ConfigError` unless this is a URL of PostgreSQL's that names a host or a socket folder."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        # An unencoded special character in the password ends the host's part: what is left of it may look like a port.
        readable = not parts.netloc or "@" in parts.netloc or "@" not in url
    except ValueError:
        readable = False
    if not readable:
        raise ConfigError(
            "the database URL cannot be read: write postgresql://user:password@host:port/database, "
            "with special characters of the password percent-encoded"
        )
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ConfigError(f'the database URL must begin with "postgresql://", not "{parts.scheme or url[:0]}"')


def unreachable(url: str, error: Exception) -> BaseException:
    """Return the error for a connection that could not be opened; it names the server, never the password."""
    meaning = translate(error)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigError(f"the database URL is wrong: {error}")
    if isinstance(error, OSError | TimeoutError):
        parts = urlsplit(url)
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return DatabaseUnavailable(f"no PostgreSQL answers at {parts.hostname}:{parts.port or 5432}: {reason}")
    if meaning is error:
        reason = describe(error) if isinstance(error, asyncpg.PostgresError) else type(error).__name__
        return DatabaseUnavailable(f"PostgreSQL refused the connection: {reason}")
    return meaning
