"""Making a new cluster so that a crash never leaves half of one.

It is made in the folder `casare-init` inside the data directory. Once `casare.json`, written last, is in there, the
cluster is whole: its entries move up one by one, `casare.json` first and `PG_VERSION` last, and from then on the folder
is PostgreSQL's. A start after a crash throws away what is not whole, and finishes a move that was cut short.
"""

import secrets
import shutil
from pathlib import Path

from casare_rpa.embedded import credentials
from casare_rpa.embedded.account import Account
from casare_rpa.embedded.binaries import program
from casare_rpa.embedded.credentials import Credentials
from casare_rpa.embedded.data_folder import MAKING, PASSWORD
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
    making = data_dir / MAKING
    whole = (making / credentials.FILE).exists() or (data_dir / credentials.FILE).exists()
    if not whole:
        shutil.rmtree(making, ignore_errors=True)
        password = secrets.token_urlsafe(32)
        _initdb(data_dir, bin_dir, account, password, durable=durable)
        write_private(making / "pg_hba.conf", _HBA, account)
        include_settings(making, account)
        Credentials(port, password).save(making, account)
    _move_up(making, data_dir)


def _initdb(data_dir: Path, bin_dir: Path, account: Account, password: str, *, durable: bool) -> None:
    password_file = data_dir / PASSWORD
    write_private(password_file, f"{password}\n", account)
    command = [
        program(bin_dir, "initdb"),
        f"--pgdata={data_dir / MAKING}",
        f"--username={credentials.USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        *([] if durable else ["--no-sync"]),
    ]
    try:
        done = account.run(command, cwd=data_dir)
    finally:
        password_file.unlink()
    if done.code != 0:
        shutil.rmtree(data_dir / MAKING, ignore_errors=True)
        raise EmbeddedPostgresError(f"PostgreSQL could not make its data in {data_dir}; initdb says:\n{done.output}")


def _move_up(making: Path, data_dir: Path) -> None:
    rank = {credentials.FILE: 0, "PG_VERSION": 2}
    for entry in sorted(making.iterdir(), key=lambda entry: rank.get(entry.name, 1)):
        if entry.name == "PG_VERSION":
            sync_folder(data_dir)
        entry.rename(data_dir / entry.name)
    making.rmdir()
    sync_folder(data_dir)
