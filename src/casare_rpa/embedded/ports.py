"""Ports of 127.0.0.1."""

import os
import secrets
import socket
import struct

from casare_rpa.embedded.errors import EmbeddedPostgresError

# Below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): a kept port stays free.
_CHOICE = range(20000, 32000)


def check_port(port: int | None) -> None:
    """Raise EmbeddedPostgresError unless `port` is one, or None."""
    if port is not None and (type(port) is not int or not 1 <= port <= 65535):
        raise EmbeddedPostgresError(f"port must be a number from 1 to 65535, or None for a free one, not {port!r}")


def free_port() -> int:
    """Return a port that nobody listens on now; raises EmbeddedPostgresError when there is none."""
    for _ in range(1000):
        port = secrets.choice(_CHOICE)
        if not is_taken(port):
            return port
    raise EmbeddedPostgresError(f"no port from {_CHOICE.start} to {_CHOICE.stop - 1} of 127.0.0.1 is free")


def is_taken(port: int) -> bool:
    """Tell whether a program listens on the port."""
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that end do not count
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return False  # a low port: PostgreSQL itself will say that it may not
        except OSError:
            return True
    return False


def speaks_postgres(port: int, timeout: float = 5.0) -> bool:
    """Tell whether a PostgreSQL server answers on the port within `timeout` seconds."""
    ssl_request = struct.pack("!ii", 8, 80877103)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as link:
            link.sendall(ssl_request)
            return link.recv(1) in {b"N", b"S"}
    except OSError:
        return False
