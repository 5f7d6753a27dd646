"""The server process of one data directory: is it there, start it, stop it, kill it."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from casare_rpa.embedded import ports, system
from casare_rpa.embedded.account import Account, Finished
from casare_rpa.embedded.binaries import program
from casare_rpa.embedded.errors import EmbeddedPostgresError, PortTakenError

LOG = "server.log"

_START_TIMEOUT = 300  # s, recovery after a crash included
_STOP_TIMEOUT = 60  # s, the last checkpoint included
_KILL_TIMEOUT = 10  # s
_FIRST_SIGN = 1  # s, from pg_ctl's start to the file postmaster.pid
# The owner was killed a moment ago: processes of its server are still going, or it had just ordered a start.
_ANOTHER_GOING = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
_LOG_LIMIT = 10 * 2**20  # bytes


@dataclass(frozen=True)
class PidFile:
    """What the server writes about itself into postmaster.pid."""

    pid: int
    port: int
    status: str


def immediate_stop(bin_dir: Path, data_dir: Path) -> list[str]:
    """Return the command that stops the server of `data_dir` at once and without saving."""
    return [program(bin_dir, "pg_ctl"), "stop", f"--pgdata={data_dir}", "-m", "immediate", "-t", str(_KILL_TIMEOUT)]


class Postmaster:
    """PostgreSQL's server process for one data directory, whoever started it."""

    def __init__(self, data_dir: Path, bin_dir: Path, account: Account) -> None:
        self._data_dir = data_dir
        self._bin_dir = bin_dir
        self._account = account

    def running(self) -> PidFile | None:
        """Return what the living server says about itself, None when there is none."""
        found = self._read_pid_file()
        if found is None or not system.is_postgres_on(found.pid, self._data_dir):
            return None
        return found

    def was_killed(self) -> bool:
        """Tell whether the last server ended without clearing up."""
        return self._read_pid_file() is not None and self.running() is None

    def start(self, port: int) -> None:
        """Start the server and return when it takes connections.

        Raises PortTakenError when another program has `port`, EmbeddedPostgresError with the server's words when it
        does not start for another reason.
        """
        if ports.is_taken(port):
            raise PortTakenError(f"port {port} of 127.0.0.1 is used by another program")
        try:
            self._start(port)
        except EmbeddedPostgresError:
            raise
        except BaseException:
            self._stop_when_it_comes()
            raise

    def _start(self, port: int) -> None:
        patience = time.monotonic() + _KILL_TIMEOUT
        while True:
            self._remove_stale_pid_file()
            self._rotate_log()
            before = self._log_size()
            options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
            done = self._pg_ctl("start", "-w", "-t", str(_START_TIMEOUT), "-s", "-l", LOG, "-o", options)
            if done.code == 0:
                return
            said = self._log_since(before) or done.output
            self.stop(immediate=True)
            if not any(words in said for words in _ANOTHER_GOING) or time.monotonic() > patience:
                raise self._failure(port, said)
            time.sleep(0.1)

    def wait_until_ready(self) -> PidFile | None:
        """Wait for a running server that is starting or stopping; return it when it is ready, None when it has gone."""
        deadline = time.monotonic() + _START_TIMEOUT
        while (found := self.running()) is not None:
            if found.status in {"ready", "standby"}:
                return found
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"the PostgreSQL on {self._data_dir} (process {found.pid}) has been {found.status or 'silent'} for "
                    f"{_START_TIMEOUT} s: see {self._data_dir / LOG}, or end that process"
                )
            time.sleep(0.05)
        return None

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server if it runs, by force in the end, and return when its process is gone.

        `immediate` leaves out the orderly shutdown: the next start recovers as after a crash.
        """
        steps = [("fast", _STOP_TIMEOUT), ("immediate", _KILL_TIMEOUT)]
        for mode, seconds in steps[immediate:]:
            found = self.running()
            if found is None:
                return
            with contextlib.suppress(EmbeddedPostgresError):  # the programs are gone: there is still SIGKILL
                self._pg_ctl("stop", "-W", "-s", "-m", mode)
            if self._gone_within(found.pid, seconds):
                return
        self.kill()

    def kill(self) -> None:
        """Kill the server and its processes with SIGKILL, as a loss of power would."""
        if found := self.running():
            system.kill_server(found.pid)

    def _stop_when_it_comes(self) -> None:
        # Ctrl-C has ended pg_ctl; the server that it may have started says so a moment later.
        deadline = time.monotonic() + _FIRST_SIGN
        while self.running() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.stop(immediate=True)

    def _pg_ctl(self, *arguments: str) -> Finished:
        # PGDATA and file names relative to the folder: pg_ctl hands what it is given to a shell.
        command = [program(self._bin_dir, "pg_ctl"), *arguments]
        return self._account.run(command, cwd=self._data_dir, variables={"PGDATA": str(self._data_dir)})

    def _read_pid_file(self) -> PidFile | None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (self._data_dir / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
            status = lines[7].strip() if len(lines) > 7 else ""
            return PidFile(pid=int(lines[0]), port=int(lines[3]), status=status)
        return None

    def _remove_stale_pid_file(self) -> None:
        # PostgreSQL itself would take any process that now has the number for the server, and refuse to start.
        found = self._read_pid_file()
        if found is not None and not system.is_postgres_on(found.pid, self._data_dir):
            (self._data_dir / "postmaster.pid").unlink()

    def _gone_within(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while system.is_alive(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _rotate_log(self) -> None:
        log = self._data_dir / LOG
        if self._log_size() > _LOG_LIMIT:
            log.replace(log.with_name(f"{LOG}.old"))

    def _log_size(self) -> int:
        log = self._data_dir / LOG
        return log.stat().st_size if log.exists() else 0

    def _log_since(self, position: int) -> str:
        log = self._data_dir / LOG
        if not log.exists():
            return ""
        with log.open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace").strip()

    def _failure(self, port: int, said: str) -> EmbeddedPostgresError:
        if any(words in said for words in ("Address already in use", "Only one usage of each socket address")):
            return PortTakenError(f"port {port} of 127.0.0.1 is used by another program")
        return EmbeddedPostgresError(f"PostgreSQL did not start on {self._data_dir}; it says:\n{said[-4000:]}")
