"""Which account runs PostgreSQL, which refuses to run as root, and whether it can."""

import os
from pathlib import Path

from casare_rpa.embedded import system
from casare_rpa.embedded.account import Account
from casare_rpa.embedded.errors import EmbeddedPostgresError

_ROOT = Path(os.sep)


def choose_account(data_dir: Path) -> Account:
    """Return the account for the server of `data_dir`, an existing folder, and make the folder the account's.

    The caller's own; if that is root: the folder's owner, or for a folder of root's a user namespace, or where that is
    refused the user nobody. Raises EmbeddedPostgresError when that user cannot enter the folder.
    """
    if not system.is_administrator():
        return Account()
    uid, gid = system.owner_of(data_dir)
    if uid != 0:
        account = Account(uid=uid, gid=gid)
        _check_entry(data_dir, account, f"its owner (user {uid})")
        return account
    namespace = Account(system.user_namespace())
    if namespace.prefix and _runs(namespace, "true"):
        return namespace
    uid, gid = system.unprivileged_user()
    account = Account(uid=uid, gid=gid)
    _check_entry(data_dir, account, "the user nobody")
    account.own_tree(data_dir)
    return account


def can_run(account: Account, program: str) -> bool:
    """Tell whether `account` may run `program`."""
    return _runs(account, program, "--version")


def _check_entry(data_dir: Path, account: Account, name: str) -> None:
    if not _runs(account, "/bin/sh", "-c", ":"):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and this process may not become {name} to run it instead: "
            "run it as an ordinary user"
        )
    if not _runs(account, "/bin/sh", "-c", 'cd -- "$1"', "sh", str(data_dir.parent)):
        raise EmbeddedPostgresError(
            f"data_dir {data_dir} cannot be used: PostgreSQL does not run as root, and {name}, which would run it "
            f"here instead, may not enter {data_dir.parent}; give a folder in one that everybody may enter, such as "
            "/var/lib/casare, or run as an ordinary user"
        )


def _runs(account: Account, *command: str) -> bool:
    try:
        return account.run(command, cwd=_ROOT, timeout=30).code == 0
    except EmbeddedPostgresError:
        return False
