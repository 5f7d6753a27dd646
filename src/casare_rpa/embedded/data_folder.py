"""The state of a data directory, and whether it may be used at all."""

import contextlib
import enum
import errno
import os
from pathlib import Path

from casare_rpa.embedded import credentials
from casare_rpa.embedded.errors import EmbeddedPostgresError

LOCK = "casare.lock"
MADE = "casare-made"
MAKING = "casare-init-"  # the beginning of a name
PROGRAMS = "casare-programs"

_OURS = {LOCK, PROGRAMS, f"{PROGRAMS}.new", "lost+found"}


class State(enum.Enum):
    """What a data directory holds."""

    EMPTY = "nothing"
    UNFINISHED = "a cluster, not yet in its place"
    READY = "a cluster"


def state_of(data_dir: Path) -> State:
    """Return what the folder holds.

    Raises EmbeddedPostgresError when it is a file, cannot be read, belongs to another program, or to a PostgreSQL that
    was not made here.
    """
    try:
        names = {entry.name for entry in data_dir.iterdir()}
    except FileNotFoundError:
        return State.EMPTY
    except NotADirectoryError as error:
        raise EmbeddedPostgresError(
            f"data_dir {data_dir} cannot be used: it or a folder above it is a file; give a folder (it may be missing)"
        ) from error
    except OSError as error:
        raise _unusable(data_dir, error) from error
    if "PG_VERSION" in names and credentials.FILE not in names:
        raise EmbeddedPostgresError(
            f"data_dir {data_dir} is the data of a PostgreSQL that CasareRPA did not make ({credentials.FILE} with its "
            "password is missing): start that server its own way and use its URL, or give an empty folder"
        )
    if "PG_VERSION" in names:
        return State.READY
    if MADE in names:
        return State.UNFINISHED
    if foreign := sorted(name for name in names - _OURS if not name.startswith(MAKING)):
        raise EmbeddedPostgresError(
            f"data_dir {data_dir} is neither empty nor PostgreSQL's data directory (it holds {', '.join(foreign[:3])}"
            f"{', …' if foreign[3:] else ''}): give an empty or missing folder"
        )
    return State.EMPTY


def prepare(data_dir: Path) -> bool:
    """Make the folder if it is missing, and close it to other users; return True when it was missing.

    Raises EmbeddedPostgresError when that fails.
    """
    try:
        missing = not data_dir.exists()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)  # PostgreSQL refuses a folder that others may enter
        if not os.access(data_dir, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unusable(data_dir, error) from error
    return missing


def discard_if_empty(data_dir: Path) -> None:
    """Take back what `prepare` made, unless something is in it by now."""
    with contextlib.suppress(OSError):
        data_dir.rmdir()


def check_version(data_dir: Path, bin_dir: Path, major: int) -> None:
    """Raise EmbeddedPostgresError unless the data was made by PostgreSQL `major`, which is in `bin_dir`."""
    found = (data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(major):
        raise EmbeddedPostgresError(
            f"data_dir {data_dir} holds data of PostgreSQL {found}, but {bin_dir} is PostgreSQL {major}: set "
            f"CASARE_PG_BIN to the bin folder of a PostgreSQL {found}, or move the data over with its pg_dump"
        )


def _unusable(data_dir: Path, error: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"data_dir {data_dir} cannot be used: {error.strerror}; give a folder that this user may make, enter and write"
    )
