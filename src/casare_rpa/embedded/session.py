"""A data directory owned by this process, with the server on it: from taking it to giving it back."""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from casare_rpa.embedded import ports
from casare_rpa.embedded.accounts import choose_account
from casare_rpa.embedded.binaries import find_binaries, major_version
from casare_rpa.embedded.cluster import clear_leftovers, make_cluster
from casare_rpa.embedded.credentials import Credentials
from casare_rpa.embedded.data_folder import LOCK, PROGRAMS, State, check_version, discard_if_empty, prepare, state_of
from casare_rpa.embedded.errors import EmbeddedPostgresError, PortTakenError
from casare_rpa.embedded.owner import take_ownership
from casare_rpa.embedded.postmaster import Postmaster, immediate_stop
from casare_rpa.embedded.programs import reachable_programs
from casare_rpa.embedded.settings import write_settings
from casare_rpa.embedded.throw_away import ThrowAwayFolder

_PORT_CHOICES = 5


@dataclass(frozen=True)
class Wanted:
    """What the caller of EmbeddedPostgres asked for; None is the default."""

    data_dir: Path | None
    port: int | None
    bin_dir: Path | None
    settings: Mapping[str, str]


class Session:
    """The server of one data directory while this process owns it."""

    def __init__(self, wanted: Wanted) -> None:
        """Take the data directory, make the cluster if there is none, and start the server or take over a running one.

        Raises EmbeddedPostgresError when that fails, and has then given back what it took.
        """
        self._wanted = wanted
        self._port_is_open = False  # nobody was told the port yet: another one will do
        bin_dir = find_binaries(wanted.bin_dir)
        major = major_version(bin_dir)
        with contextlib.ExitStack() as undo:
            self.data_dir, self._throw_away = self._take_folder(undo)
            self._account = choose_account(self.data_dir)
            undo.callback(take_ownership(self.data_dir / LOCK, self._account).close)
            self.bin_dir = self._reach_programs(bin_dir, undo)
            self._ensure_cluster()
            check_version(self.data_dir, self.bin_dir, major)
            self.credentials = Credentials.load(self.data_dir)
            self.postmaster = Postmaster(self.data_dir, self.bin_dir, self._account)
            if self._throw_away is not None:
                self._throw_away.on_death(immediate_stop(self.bin_dir, self.data_dir), self._account)
            self._start_or_take_over()
            self._undo = undo.pop_all()

    def ensure_running(self) -> None:
        """Start the server if it is gone."""
        if self.postmaster.running() is None:
            self._launch(self.credentials.port)

    def restart(self, *, immediate: bool) -> None:
        """Stop the server, orderly or not, and start it under the same URL."""
        self.postmaster.stop(immediate=immediate)
        self._launch(self.credentials.port)

    def close(self) -> None:
        """Stop the server and give the folder back, which is deleted when it was a temporary one."""
        if self._throw_away is not None and self.postmaster.was_killed():
            # Only a start frees the shared memory that a killed server leaves behind.
            with contextlib.suppress(EmbeddedPostgresError):
                self._launch(self.credentials.port)
        self.postmaster.stop()
        self._undo.close()

    def _take_folder(self, undo: contextlib.ExitStack) -> tuple[Path, ThrowAwayFolder | None]:
        if self._wanted.data_dir is None:
            self._check_wanted_port()
            throw_away = ThrowAwayFolder()
            undo.callback(throw_away.delete)
            return throw_away.path, throw_away
        folder = self._wanted.data_dir.resolve()
        if state_of(folder) is State.EMPTY:
            self._check_wanted_port()
        if prepare(folder):
            undo.callback(discard_if_empty, folder)
        return folder, None

    def _check_wanted_port(self) -> None:
        # PostgreSQL itself would find out only when all its data is made.
        if self._wanted.port is not None and ports.is_taken(self._wanted.port):
            raise self._port_taken(self._wanted.port)

    def _reach_programs(self, bin_dir: Path, undo: contextlib.ExitStack) -> Path:
        copy = self.data_dir / PROGRAMS
        undo.callback(shutil.rmtree, copy, ignore_errors=True)
        return reachable_programs(bin_dir, self._account, copy)

    def _ensure_cluster(self) -> None:
        clear_leftovers(self.data_dir)
        if state_of(self.data_dir) is State.READY:
            return
        self._port_is_open = self._wanted.port is None
        port = self._wanted.port or ports.free_port()
        make_cluster(self.data_dir, self.bin_dir, self._account, port, durable=self._throw_away is None)

    def _start_or_take_over(self) -> None:
        changed = write_settings(self.data_dir, self._wanted.settings, self._account)
        port = self._wanted.port or self.credentials.port
        running = self.postmaster.wait_until_ready()
        if running is not None and running.port == port and not changed and ports.speaks_postgres(port):
            self._keep_port(port)
            return
        self.postmaster.stop()
        self._launch(port)

    def _launch(self, port: int) -> None:
        for choice in range(1, _PORT_CHOICES + 1):
            try:
                self.postmaster.start(port)
            except PortTakenError as error:
                if not self._port_is_open or choice == _PORT_CHOICES:
                    raise self._port_taken(port) from error
                port = ports.free_port()
            else:
                break
        self._keep_port(port)

    def _keep_port(self, port: int) -> None:
        if port != self.credentials.port:
            self.credentials = replace(self.credentials, port=port)
            self.credentials.save(self.data_dir, self._account)
        self._port_is_open = False

    def _port_taken(self, port: int) -> PortTakenError:
        if port == self._wanted.port:
            return PortTakenError(
                f"port {port} of 127.0.0.1 is used by another program: end that program, or give another port, "
                "or none for a free one"
            )
        return PortTakenError(
            f"port {port} of 127.0.0.1, which belongs to the URL of {self.data_dir}, is used by another program: end "
            "that program, or give another port to EmbeddedPostgres, which changes the URL for good"
        )
