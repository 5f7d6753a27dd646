"""Processes, locks and accounts on Linux, macOS and other POSIX systems."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

assert sys.platform != "win32"  # noqa: S101 (tells type checkers for which system this file is)

# A session of its own keeps the terminal's Ctrl-C away; what PostgreSQL writes is nobody else's to read.
DETACHED: dict[str, Any] = {"start_new_session": True, "umask": 0o077}

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "stat").exists()


def as_user(uid: int | None, gid: int | None) -> dict[str, Any]:
    """Return the arguments of subprocess that run a child as this user; the caller's own when `uid` is None."""
    return {} if uid is None else {"user": uid, "group": gid, "extra_groups": []}


def is_administrator() -> bool:
    """Tell whether PostgreSQL would refuse to run as the caller."""
    return os.geteuid() == 0


def owner_of(path: Path) -> tuple[int, int]:
    """Return the user id and group id that own `path`."""
    status = path.stat()
    return status.st_uid, status.st_gid


def give_file(path: Path, uid: int, gid: int) -> None:
    """Make user `uid` and group `gid` the owner of `path`, of the link itself if it is one."""
    os.chown(path, uid, gid, follow_symlinks=False)


def unprivileged_user() -> tuple[int, int]:
    """Return the ids of the user that owns nothing; raises KeyError when the system has none."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def user_namespace() -> tuple[str, ...]:
    """Return the command that runs another in a user namespace, not as root there; () when this system has none."""
    # initdb wants to look up the name of its user.
    ids = (entry.pw_uid for entry in pwd.getpwall() if 0 < entry.pw_uid < 65534)
    mapped = next(ids, None)
    if mapped is None or shutil.which("unshare") is None:
        return ()
    return ("unshare", "--user", f"--map-user={mapped}", f"--map-group={mapped}")


def try_lock(file: int) -> bool:
    """Lock the open file for this process, or return False when another has it; the lock ends with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Tell whether the process runs; one that has ended and was not yet collected by its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _state(pid) not in {"", "Z", "X"}


def is_postgres_on(pid: int, data_dir: Path) -> bool:
    """Tell whether the process is the PostgreSQL server of `data_dir`, and not a later process with the same id."""
    if not is_alive(pid) or _name(pid) not in {"postgres", "postmaster"}:
        return False
    if not _HAS_PROC:
        return True
    try:
        return (_PROC / str(pid) / "cwd").samefile(data_dir)
    except PermissionError:
        return True
    except OSError:
        return False


def kill_server(pid: int) -> None:
    """Kill the server and all its processes with SIGKILL and return when none of them runs, after at most 10 s."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)  # else it starts new processes behind our back
    family = [pid, *_children(pid)]
    for member in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(is_alive(member) for member in family) and time.monotonic() < deadline:
        time.sleep(0.01)


def _state(pid: int) -> str:
    if _HAS_PROC:
        return _stat(pid)[0]
    return _ps("-o", "stat=", "-p", str(pid)).strip()[:1]


def _name(pid: int) -> str:
    if _HAS_PROC:
        with contextlib.suppress(OSError):
            return (_PROC / str(pid) / "comm").read_text().strip()
        return ""
    return Path(_ps("-o", "comm=", "-p", str(pid)).strip()).name


def _children(pid: int) -> list[int]:
    if _HAS_PROC:
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
        return [child for child in pids if _stat(child)[1] == pid]
    pairs = [line.split() for line in _ps("-A", "-o", "pid=,ppid=").splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def _stat(pid: int) -> tuple[str, int]:
    """Return state and parent of the process, ("", 0) when there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout
