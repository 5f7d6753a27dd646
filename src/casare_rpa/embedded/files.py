"""Small private files that survive a crash whole."""

import os
from pathlib import Path

from casare_rpa.embedded.account import Account


def write_private(path: Path, text: str, account: Account) -> None:
    """Replace the file by one with `text` that only `account` can read: all of it or nothing, on disk on return."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    # O_EXCL follows no link that somebody may have put there.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    account.own(fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to disk, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
