"""A server without a data directory goes with its owner, however the owner goes."""

import os
import signal
from pathlib import Path

import pytest

from tests.embedded.helpers import Owner, eventually, is_alive, owner, processes_in


def test_killed_while_it_serves() -> None:
    with owner(fork="stay") as program:
        program.told()
        serving = program.told()
        folder = Path(serving["data_dir"])
        assert processes_in(folder)
        program.kill()
        eventually(lambda: not folder.exists() and not processes_in(folder), 8)
        # A forked child of the owner does not keep the server.
        assert is_alive(serving["child"])
        os.kill(serving["child"], signal.SIGKILL)


def test_killed_while_the_data_is_made(tmp_path: Path) -> None:
    with owner(env={"TMPDIR": str(tmp_path)}) as program:
        program.told()
        (folder,) = eventually(lambda: list(tmp_path.glob("casare-postgres-*")))
        eventually(lambda: list(folder.glob("casare-init-*/data/base*")))
        program.kill()
        eventually(lambda: not folder.exists() and not processes_in(folder), 12)


def test_killed_while_the_server_starts(tmp_path: Path) -> None:
    with owner(env={"TMPDIR": str(tmp_path)}) as program:
        program.told()
        (folder,) = eventually(lambda: list(tmp_path.glob("casare-postgres-*")))
        eventually((folder / "server.log").exists)
        program.kill()
        eventually(lambda: not folder.exists() and not processes_in(folder), 12)


@pytest.mark.parametrize("sign", ["casare-init-*/data/base*", "server.log"])
def test_interrupted_while_it_starts(tmp_path: Path, sign: str) -> None:
    with owner(env={"TMPDIR": str(tmp_path)}) as program:
        program.told()
        (folder,) = eventually(lambda: list(tmp_path.glob("casare-postgres-*")))
        eventually(lambda: list(folder.glob(sign)))
        os.killpg(program.process.pid, signal.SIGINT)
        ended(program)
        assert not folder.exists()
        assert not processes_in(folder)


def ended(program: Owner) -> None:
    assert program.process.wait(30) is not None
