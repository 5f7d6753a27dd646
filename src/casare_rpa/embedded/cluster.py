"""Making a new cluster so that a crash never leaves half of one.

It is made in a folder of its own inside the data directory, named `casare-init-` and some letters. When it is whole,
that folder gets the name `casare-made`, and its entries move up one by one, `PG_VERSION` last: from then on the data
directory is PostgreSQL's. A start after a crash deletes what is not whole, and finishes a move that was cut short. The
letters keep it apart from an initdb that outlived its killed owner and still writes.
"""

import secrets
import shutil
import tempfile
from pathlib import Path

from casare_rpa.embedded import credentials
from casare_rpa.embedded.account import Account
from casare_rpa.embedded.binaries import program
from casare_rpa.embedded.credentials import Credentials
from casare_rpa.embedded.data_folder import MADE, MAKING
from casare_rpa.embedded.errors import EmbeddedPostgresError
from casare_rpa.embedded.files import sync_folder, write_private
from casare_rpa.embedded.settings import include_settings

_HBA = """\
# Written by CasareRPA: this machine only, over TCP, with the password.
host    all             all             127.0.0.1/32            scram-sha-256
host    replication     all             127.0.0.1/32            scram-sha-256
"""


def make_cluster(data_dir: Path, bin_dir: Path, account: Account, port: int, *, durable: bool) -> None:
    """Make the cluster in `data_dir`, or finish what was begun; `durable` brings it to disk before the return.

    It gets a random password, and `port` to be reached on. Raises EmbeddedPostgresError with initdb's words.
    """
    made = data_dir / MADE
    if not made.exists():
        making = Path(tempfile.mkdtemp(prefix=MAKING, dir=data_dir))
        account.own(making)
        try:
            _make_whole(making / "data", bin_dir, account, port, durable=durable)
            (making / "data").rename(made)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    _move_up(made, data_dir)


def clear_leftovers(data_dir: Path) -> None:
    """Delete what a killed start has left half made in `data_dir`."""
    for leftover in data_dir.glob(f"{MAKING}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _make_whole(folder: Path, bin_dir: Path, account: Account, port: int, *, durable: bool) -> None:
    password = secrets.token_urlsafe(32)
    password_file = folder.with_name("password")
    write_private(password_file, f"{password}\n", account)
    command = [
        program(bin_dir, "initdb"),
        f"--pgdata={folder}",
        f"--username={credentials.USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        *([] if durable else ["--no-sync"]),
    ]
    done = account.run(command, cwd=folder.parent)
    if done.code != 0:
        raise EmbeddedPostgresError(f"initdb could not make PostgreSQL's data in {folder}; it says:\n{done.output}")
    write_private(folder / "pg_hba.conf", _HBA, account)
    include_settings(folder, account)
    Credentials(port, password).save(folder, account)


def _move_up(made: Path, data_dir: Path) -> None:
    for entry in sorted(made.iterdir(), key=lambda entry: entry.name == "PG_VERSION"):
        if entry.name == "PG_VERSION":
            sync_folder(data_dir)
        entry.rename(data_dir / entry.name)
    made.rmdir()
    sync_folder(data_dir)
