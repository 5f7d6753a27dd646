"""The account that PostgreSQL's programs run under, and how it runs them: output to files, in sessions of their own."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from casare_rpa.embedded import system
from casare_rpa.embedded.errors import EmbeddedPostgresError

# The owner's variables may hold secrets (database URLs, keys) that PostgreSQL has no use for.
_PASSED_ON = (
    "DYLD_LIBRARY_PATH",
    "LD_LIBRARY_PATH",
    "PATH",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "WINDIR",
)


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its exit code, and what it printed."""

    code: int
    output: str


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL: the caller (no field set), the caller in a user namespace (prefix), or another user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def run(
        self, command: Sequence[str], *, cwd: Path, variables: Mapping[str, str] | None = None, timeout: float = 900
    ) -> Finished:
        """Run `command` in `cwd` and return how it ended.

        Raises EmbeddedPostgresError when it cannot be run, or takes longer than `timeout` seconds and is killed.
        """
        # A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open, and its reader waiting.
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    [*self.prefix, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env=_environment() | dict(variables or {}),
                    timeout=timeout,
                    check=False,
                    **system.DETACHED,
                    **system.as_user(self.uid, self.gid),
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise EmbeddedPostgresError(f"{command[0]} cannot be run: {error}") from error
            output.seek(0)
            return Finished(done.returncode, output.read().decode(errors="replace").strip())

    def own(self, path: Path) -> None:
        """Make the account the owner of the file or folder at `path`, so that PostgreSQL accepts it."""
        if self.uid is not None and self.gid is not None:
            system.give_file(path, self.uid, self.gid)

    def own_tree(self, folder: Path) -> None:
        """Make the account the owner of `folder` and all that is in it."""
        if self.uid is not None:
            for parent, folders, files in os.walk(folder):
                for name in (*folders, *files):
                    self.own(Path(parent, name))
            self.own(folder)


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Messages in English whatever the owner's language: some of them are understood by the caller.
    return passed_on | {"LC_ALL": "C"}
