"""The program that outlives a killed owner: it reads until the owner's end of the pipe closes, then clears up.

Usage: watchdog.py FOLDER, with lines of JSON on standard input: the command that stops the server, or a goodbye. It
runs without the package around it, so that it depends on nothing but Python.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_SERVER_MAY_COME = 3  # s: the owner may have died between its order to start and the server's first sign
_FOLDER_MUST_GO = 30  # s


def main() -> None:
    """Wait for the owner's end; unless it said goodbye, stop its server and delete its folder."""
    folder = Path(sys.argv[1])
    told: dict[str, Any] = {}
    for line in sys.stdin:
        told |= json.loads(line)
    if "goodbye" in told:
        return
    if "command" in told:
        _stop_server(folder, told)
    delete(folder)


def delete(folder: Path) -> None:
    """Delete `folder`, again and again while a dying program still writes into it, for 30 s at most."""
    deadline = time.monotonic() + _FOLDER_MUST_GO
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _stop_server(folder: Path, told: dict[str, Any]) -> None:
    deadline = time.monotonic() + _SERVER_MAY_COME
    while not (folder / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    user = {} if told["uid"] is None else {"user": told["uid"], "group": told["gid"], "extra_groups": []}
    subprocess.run(
        told["command"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"LC_ALL": "C"},
        check=False,
        **user,
    )


if __name__ == "__main__":
    main()
