"""The watchdog of a throw-away server: when this process dies, however it dies, server and folder go too."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from casare_rpa.embedded import system, watchdog
from casare_rpa.embedded.account import Account
from casare_rpa.embedded.handles import Handle

_GOODBYE_TIMEOUT = 10  # s


class Watch:
    """The watchdog's process, and the pipe to it: the end of the pipe tells it that this process has died."""

    def __init__(self, folder: Path) -> None:
        """Start the watchdog, which deletes `folder` when this process dies before `end`."""
        reading, writing = os.pipe()
        self._pipe = Handle(writing)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, str(folder)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder.parent,
                **system.DETACHED,
            )
        finally:
            os.close(reading)

    def on_death(self, command: Sequence[str], account: Account) -> None:
        """Have the watchdog run `command` as `account` before it deletes the folder."""
        self._say({"command": [*account.prefix, *command], "uid": account.uid, "gid": account.gid})

    def end(self) -> None:
        """Send the watchdog away; it touches nothing."""
        with contextlib.suppress(BrokenPipeError):
            self._say({"goodbye": True})
        self._pipe.close()
        self._process.wait(_GOODBYE_TIMEOUT)

    def _say(self, message: dict[str, object]) -> None:
        os.write(self._pipe.descriptor, f"{json.dumps(message)}\n".encode())
