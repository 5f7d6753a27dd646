"""Processes, locks and accounts on Windows. Written for it, not yet tested on it."""

import ctypes
import msvcrt
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

assert sys.platform == "win32"  # noqa: S101 (tells type checkers for which system this file is)

# A process group of its own keeps the console's Ctrl-C away.
DETACHED: dict[str, Any] = {
    "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
}

_QUERY_LIMITED_INFORMATION = 0x1000
_STILL_ACTIVE = 259
_LOCKED_BYTE = 1 << 30  # far behind the text, which others may read while it is locked


def as_user(uid: int | None, gid: int | None) -> dict[str, Any]:
    """Return no arguments: a child runs as the caller."""
    del uid, gid
    return {}


def is_administrator() -> bool:
    """Tell that PostgreSQL runs for every caller: its pg_ctl lays down an administrator's rights itself."""
    return False


def owner_of(path: Path) -> tuple[int, int]:
    """Return ids that mean nothing here."""
    status = path.stat()
    return status.st_uid, status.st_gid


def give_file(path: Path, uid: int, gid: int) -> None:
    """Leave the owner as it is."""
    del path, uid, gid


def unprivileged_user() -> tuple[int, int]:
    """Raise KeyError: no other user is ever needed here."""
    raise KeyError("nobody")


def user_namespace() -> tuple[str, ...]:
    """Return (): there are none here."""
    return ()


def try_lock(file: int) -> bool:
    """Lock the open file for this process, or return False when another has it; the lock ends with the process."""
    position = os.lseek(file, 0, os.SEEK_CUR)
    os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(file, position, os.SEEK_SET)
    return True


def is_alive(pid: int) -> bool:
    """Tell whether the process runs."""
    handle = ctypes.windll.kernel32.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
    ctypes.windll.kernel32.CloseHandle(handle)
    return code.value == _STILL_ACTIVE


def is_postgres_on(pid: int, data_dir: Path) -> bool:
    """Tell whether the process is a PostgreSQL server; which data it serves, Windows does not tell."""
    del data_dir
    return is_alive(pid) and _image(pid).lower() == "postgres.exe"


def kill_server(pid: int) -> None:
    """Terminate the server and all its processes and return when it does not run, after 10 s at the latest."""
    subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def _image(pid: int) -> str:
    handle = ctypes.windll.kernel32.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return ""
    name = ctypes.create_unicode_buffer(1024)
    size = ctypes.c_ulong(len(name))
    ctypes.windll.kernel32.QueryFullProcessImageNameW(handle, 0, name, ctypes.byref(size))
    ctypes.windll.kernel32.CloseHandle(handle)
    return Path(name.value).name
