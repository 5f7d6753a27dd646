"""A data directory owned by this process, with the server on it: from taking it to giving it back."""

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from casare_rpa.embedded import ports
from casare_rpa.embedded.accounts import choose_account
from casare_rpa.embedded.binaries import find_binaries, major_version
from casare_rpa.embedded.cluster import make_cluster
from casare_rpa.embedded.credentials import Credentials
from casare_rpa.embedded.data_folder import LOCK, PROGRAMS, State, check_version, prepare, state_of
from casare_rpa.embedded.errors import EmbeddedPostgresError, PortTakenError
from casare_rpa.embedded.owner import take_ownership
from casare_rpa.embedded.postmaster import Postmaster, immediate_stop
from casare_rpa.embedded.programs import reachable_programs
from casare_rpa.embedded.settings import write_settings
from casare_rpa.embedded.watch import Watch

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

        Raises EmbeddedPostgresError and leaves nothing behind when that fails.
        """
        self._wanted = wanted
        self._port_is_open = False  # nobody was told the port yet: another one will do
        bin_dir = find_binaries(wanted.bin_dir)
        major = major_version(bin_dir)
        with contextlib.ExitStack() as undo:
            self.data_dir = self._take_folder(undo)
            watch = self._start_watch(undo)
            self.account = choose_account(self.data_dir)
            undo.callback(take_ownership(self.data_dir / LOCK, self.account).close)
            copy = self.data_dir / PROGRAMS
            undo.callback(shutil.rmtree, copy, ignore_errors=True)
            self.bin_dir = reachable_programs(bin_dir, self.account, copy)
            if watch is not None:
                watch.on_death(immediate_stop(self.bin_dir, self.data_dir), self.account)
            self._ensure_cluster()
            check_version(self.data_dir, self.bin_dir, major)
            self.credentials = Credentials.load(self.data_dir)
            self.postmaster = Postmaster(self.data_dir, self.bin_dir, self.account)
            self._start_or_take_over()
            self._undo = undo.pop_all()

    def ensure_running(self) -> None:
        """Start the server if it is gone."""
        if self.postmaster.running() is None:
            self._launch()

    def restart(self, *, immediate: bool) -> None:
        """Stop the server, orderly or not, and start it under the same URL."""
        self.postmaster.stop(immediate=immediate)
        self._launch()

    def close(self) -> None:
        """Stop the server and give the folder back, which is deleted when it was a temporary one."""
        self.postmaster.stop()
        self._undo.close()

    def _take_folder(self, undo: contextlib.ExitStack) -> Path:
        if self._wanted.data_dir is None:
            folder = Path(tempfile.mkdtemp(prefix="casare-postgres-")).resolve()
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            return folder
        folder = self._wanted.data_dir.resolve()
        if state_of(folder) is State.EMPTY and self._wanted.port is not None and ports.is_taken(self._wanted.port):
            raise self._port_taken(self._wanted.port)
        prepare(folder)
        return folder

    def _start_watch(self, undo: contextlib.ExitStack) -> Watch | None:
        if self._wanted.data_dir is not None:
            return None
        watch = Watch(self.data_dir)
        undo.callback(watch.end)
        return watch

    def _ensure_cluster(self) -> None:
        if state_of(self.data_dir) is State.READY:
            return
        self._port_is_open = self._wanted.port is None
        port = self._wanted.port or ports.free_port()
        durable = self._wanted.data_dir is not None
        make_cluster(self.data_dir, self.bin_dir, self.account, port, durable=durable)

    def _start_or_take_over(self) -> None:
        changed = write_settings(self.data_dir, self._wanted.settings, self.account)
        if self._wanted.port is not None and self._wanted.port != self.credentials.port:
            self._move_to(self._wanted.port)
        running = self.postmaster.wait_until_ready()
        if running is not None:
            if not changed and running.port == self.credentials.port and ports.speaks_postgres(running.port):
                return
            self.postmaster.stop()
        self._launch()

    def _launch(self) -> None:
        try:
            self._start_on_its_port()
        except BaseException:
            self.postmaster.stop(immediate=True)
            raise
        self._port_is_open = False

    def _start_on_its_port(self) -> None:
        for _ in range(_PORT_CHOICES):
            port = self.credentials.port
            try:
                self.postmaster.start(port)
            except PortTakenError as error:
                if not self._port_is_open:
                    raise self._port_taken(port) from error
                self._move_to(ports.free_port())
            else:
                return
        raise self._port_taken(self.credentials.port)

    def _move_to(self, port: int) -> None:
        self.credentials = replace(self.credentials, port=port)
        self.credentials.save(self.data_dir, self.account)

    def _port_taken(self, port: int) -> EmbeddedPostgresError:
        if port == self._wanted.port:
            return PortTakenError(
                f"port {port} of 127.0.0.1 is used by another program: end that program, or give another port, "
                "or none for a free one"
            )
        return PortTakenError(
            f"port {port} of 127.0.0.1, which belongs to the URL of {self.data_dir}, is used by another program: end "
            "that program, or give another port to EmbeddedPostgres, which changes the URL for good"
        )
