"""The server of a run: PostgreSQL with its default durability, a database for each measurement, and what it all costs."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

from casare_rpa.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from benchmarks.systems import Counting


class Spent(NamedTuple):
    """What the server has used so far; two of them give a window."""

    cpu_seconds: float
    wal_bytes: int

    def since(self, before: Spent) -> Spent:
        return Spent(self.cpu_seconds - before.cpu_seconds, self.wal_bytes - before.wal_bytes)


class Server:
    """A throw-away PostgreSQL: fsync and synchronous_commit on, shared_buffers and all else as PostgreSQL comes."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Say which settings a scenario cannot do without, such as shared_preload_libraries; by default none."""
        self._embedded = EmbeddedPostgres(settings=settings)
        self._numbers = itertools.count(1)
        self.templates: dict[str, tuple[str, Counting]] = {}
        """By system: the database in which it is installed and nothing was done, and how its ended jobs are counted."""

    def __enter__(self) -> Self:
        self._embedded.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._embedded.stop()

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, as superuser."""
        return self._embedded.url

    @contextmanager
    def database(self, name: str, template: str | None = None) -> Iterator[str]:
        """Make a database, empty or a copy, yield its URL, drop it, and write a checkpoint: no run pays for the one before it."""
        database = self.create(name, template)
        try:
            yield self.url_of(database)
        finally:
            query(self.url, f'DROP DATABASE "{database}" WITH (FORCE)')
            query(self.url, "CHECKPOINT")

    def create(self, name: str, template: str | None = None) -> str:
        """Make a database that stays as long as the server, empty or a copy, and return its full name."""
        database = f"{''.join(each if each.isalnum() else '_' for each in name)}_{next(self._numbers)}"
        query(self.url, f'CREATE DATABASE "{database}"' + (f' TEMPLATE "{template}"' if template else ""))
        return database

    def url_of(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def spent(self) -> Spent:
        """Return the CPU seconds of all the server's processes, ended ones included, and the bytes of WAL, since its start."""
        return Spent(
            self.cpu_seconds(), int(query(self.url, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])
        )

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of all the server's processes since its start; a process that ended counts with its parent."""
        pid = int((self._embedded.data_dir / "postmaster.pid").read_text(encoding="ascii").split()[0])
        postmaster = psutil.Process(pid)
        own = postmaster.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in postmaster.children(recursive=True):
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return float(total)


def query(url: str, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own, without a transaction around it, and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        # Text that is no literal: ours, built from constants of this folder.
        cursor = connection.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []
