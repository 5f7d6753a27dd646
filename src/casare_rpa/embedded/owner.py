"""One owner at a time for a data directory: the process that holds the lock on its file `casare.lock`."""

import os
from pathlib import Path

from casare_rpa.embedded import system
from casare_rpa.embedded.account import Account
from casare_rpa.embedded.errors import EmbeddedPostgresError
from casare_rpa.embedded.handles import Handle


def take_ownership(path: Path, account: Account) -> Handle:
    """Lock the file at `path`, made if it is missing, until the handle is closed or the process has ended in any way.

    Raises EmbeddedPostgresError, naming the process that has it, when it is locked.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = Handle(os.open(path, flags, 0o600))
    except OSError as error:
        raise EmbeddedPostgresError(f"data_dir {path.parent} cannot be used: {error.strerror} ({path.name})") from error
    if not system.try_lock(handle.descriptor):
        holder = os.read(handle.descriptor, 20).decode(errors="replace").strip() or "that starts just now"
        handle.close()
        raise EmbeddedPostgresError(
            f"data_dir {path.parent} is in use by the EmbeddedPostgres of process {holder}: "
            "end that process first, or connect to its server by its URL"
        )
    account.own(path)
    os.ftruncate(handle.descriptor, 0)
    os.write(handle.descriptor, f"{os.getpid()}\n".encode())
    return handle
