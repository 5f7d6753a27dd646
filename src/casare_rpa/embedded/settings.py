"""PostgreSQL's settings: CasareRPA's own, then the caller's, in a file that is written anew at every start."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from casare_rpa.embedded.account import Account
from casare_rpa.embedded.errors import EmbeddedPostgresError
from casare_rpa.embedded.files import write_private

_FILE = "casare.conf"

_DEFAULTS = {
    # Three are kept back for superusers: 500 are there for everybody.
    "max_connections": "503",
    "superuser_reserved_connections": "3",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "cluster_name": "casare",
}
# Said on the server's command line or by what the cluster is, so that its URL holds and nobody else gets in.
_FIXED = {
    "config_file",
    "data_directory",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "port",
    "unix_socket_directories",
}


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise EmbeddedPostgresError when a name or value cannot stand in postgresql.conf, or may not be changed."""
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name):
            raise EmbeddedPostgresError(f"settings: {name!r} is not the name of a PostgreSQL setting, as work_mem is")
        if name.lower() in _FIXED:
            raise EmbeddedPostgresError(f"settings: {name} is EmbeddedPostgres's own and cannot be changed")
        if type(value) is not str or re.search(r"[\x00-\x1f]", value):
            raise EmbeddedPostgresError(f"settings: {name} must be text of one line such as 'off', not {value!r}")


def include_settings(folder: Path, account: Account) -> None:
    """Make a new cluster in `folder` read the file of settings after its own postgresql.conf."""
    write_private(folder / _FILE, "", account)
    with (folder / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\n# CasareRPA's settings, written anew at every start.\ninclude '{_FILE}'\n")
        file.flush()
        os.fsync(file.fileno())


def write_settings(data_dir: Path, settings: Mapping[str, str], account: Account) -> bool:
    """Write the file of settings; return True when it differs from what a running server has read."""
    merged = {**_DEFAULTS, **settings}
    text = "".join(f"{name} = '{_quoted(value)}'\n" for name, value in merged.items())
    path = data_dir / _FILE
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_private(path, text, account)
    return True


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
