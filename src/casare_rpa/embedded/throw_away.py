"""A folder for the data of a server that is thrown away: when this process dies, however it dies, both go with it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from casare_rpa.embedded import system, watchdog
from casare_rpa.embedded.account import Account
from casare_rpa.embedded.handles import Handle

_GOODBYE_TIMEOUT = 10  # s


class ThrowAwayFolder:
    """A new temporary folder, and a process that watches over it: the end of its pipe tells it that we have died."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="casare-postgres-")).resolve()
        reading, writing = os.pipe()
        self._pipe = Handle(writing)
        try:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, str(self.path)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self.path.parent,
                **system.DETACHED,
            )
        except BaseException:
            self._pipe.close()
            self.path.rmdir()
            raise
        finally:
            os.close(reading)

    def on_death(self, command: Sequence[str], account: Account) -> None:
        """Have the watchdog run `command` as `account` before it deletes the folder."""
        self._say({"command": [*account.prefix, *command], "uid": account.uid, "gid": account.gid})

    def delete(self) -> None:
        """Delete the folder and send the watchdog away."""
        watchdog.delete(self.path)
        with contextlib.suppress(BrokenPipeError):
            self._say({"goodbye": True})
        self._pipe.close()
        self._watchdog.wait(_GOODBYE_TIMEOUT)

    def _say(self, message: dict[str, object]) -> None:
        os.write(self._pipe.descriptor, f"{json.dumps(message)}\n".encode())
