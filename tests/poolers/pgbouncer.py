"""A PgBouncer of a test's own, before the test's server."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from casare_rpa.embedded.ports import free_port, speaks_postgres

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_READY = 10.0

SETTINGS = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "default_pool_size": "4",
    "max_client_conn": "500",
    "server_login_retry": "0.2",
    "log_connections": "0",
    "log_disconnections": "0",
}


class PgBouncer:
    """A pooler for all databases of a server; use it as a context, in which it may be killed and started again.

    Args:
        server_url: a URL of the server; its login may go through the pooler.
        logins: names and passwords of further ones.
        settings: lines of its file that differ from `SETTINGS`.

    """

    def __init__(self, server_url: str, logins: dict[str, str] | None = None, **settings: str) -> None:
        self._server = urlsplit(server_url)
        self._logins = {self._server.username or "": self._server.password or "", **(logins or {})}
        self.port = free_port()
        self._settings = SETTINGS | settings | {"listen_port": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, login: str | None = None) -> str:
        """Return the URL of a database through the pooler."""
        name = login or self._server.username or ""
        return f"postgresql://{name}:{quote(self._logins[name], safe='')}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        # Not pytest's folder: as root the pooler runs as somebody else, who may not enter it.
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        logins = "".join(f'"{name}" "{password}"\n' for name, password in self._logins.items())
        self._write("logins.txt", logins)
        lines = "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        self._write(
            "pgbouncer.ini",
            f"[databases]\n* = host=127.0.0.1 port={self._server.port}\n"
            f"[pgbouncer]\nauth_file = {self._folder / 'logins.txt'}\n{lines}",
        )
        self._own(self._folder)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start, and return when it answers."""
        assert PROGRAM is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, str(self._folder / "pgbouncer.ini")],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_somebody_else(),
            )
        deadline = time.monotonic() + _READY
        while not speaks_postgres(self.port, timeout=1.0):
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it; every connection through it breaks."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def said(self) -> str:
        """Return its log."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        self._own(path)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, _nobody().pw_uid, _nobody().pw_gid)


def _somebody_else() -> dict[str, Any]:
    """Return what lets root run a program as nobody: PgBouncer refuses root, as PostgreSQL does."""
    if os.geteuid() != 0:
        return {}
    return {"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []}


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
