"""How every connection is opened, and what is said when it cannot be."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qs, urlsplit

import asyncpg

from casare_rpa.foundation.errors import ConfigError, DatabaseUnavailable, ServerTooOld
from casare_rpa.infrastructure.postgres.faults import describe, translate
from casare_rpa.infrastructure.postgres.sessions import COMMAND_TIMEOUT, PlainConnection, open_connection

OLDEST_SERVER = 140000


async def connect(
    url: str, application_name: str, *, own_session: bool = False, patience: float = COMMAND_TIMEOUT
) -> PlainConnection:
    """Open one connection.

    Args:
        url: ``postgresql://user:password@host:port/database``.
        application_name: as the server shows it.
        own_session: see `open_connection`.
        patience: seconds that a statement may take.

    Raises:
        ConfigError: the URL is wrong.
        DatabaseUnavailable: nothing answers there within 10 seconds, or it refuses the login.
        ServerTooOld: the server is older than PostgreSQL 14.

    """
    check_url(url)
    try:
        connection = await open_connection(url, application_name, own_session=own_session, patience=patience)
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
        instead = (
            f', not "{parts.scheme}://"' if parts.scheme else ""
        )  # without one there is nothing that is surely no password
        raise ConfigError(f'the database URL must begin with "postgresql://"{instead}')


def unreachable(url: str, error: Exception) -> BaseException:
    """Return the error for a connection that could not be opened; it names the server, never the password."""
    parts = urlsplit(url)
    server = f"{parts.hostname}:{parts.port or 5432}"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigError(f"the database URL is wrong: {error}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return DatabaseUnavailable(f"the certificate of {server} is not trusted: {error.verify_message}")
    [path] = parse_qs(parts.query).get("sslrootcert", [""])[:1]
    if path and (isinstance(error, FileNotFoundError | PermissionError) or _is_no_certificate(error)):
        return ConfigError(f"the database URL is wrong: its sslrootcert, {path!r}, is no file with a certificate")
    if isinstance(error, ssl.SSLError):
        return DatabaseUnavailable(f"no TLS connection to {server}: {error.reason or error}")
    if isinstance(error, OSError | TimeoutError):
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return DatabaseUnavailable(f"no PostgreSQL answers at {server}: {reason}")
    meaning = translate(error)
    if meaning is error:
        reason = describe(error) if isinstance(error, asyncpg.PostgresError) else type(error).__name__
        return DatabaseUnavailable(f"PostgreSQL refused the connection: {reason}")
    return meaning


def _is_no_certificate(error: Exception) -> bool:
    return isinstance(error, ssl.SSLError) and "NO_CERTIFICATE" in str(error.reason)
