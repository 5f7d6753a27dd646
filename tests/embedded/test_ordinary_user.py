"""A user without any rights runs a server of its own."""

import os
from pathlib import Path

import pytest

from casare_rpa.embedded import system
from tests.embedded.helpers import eventually, execute, owner, processes_in, query

# Where the tests run as root, a user namespace makes its program an ordinary user, for PostgreSQL and for Python.
AS_ORDINARY_USER = system.user_namespace() if os.geteuid() == 0 else ()


def test_throw_away() -> None:
    with owner(prefix=AS_ORDINARY_USER) as program:
        program.told()
        serving = program.told()
        assert serving["uid"] != 0
        assert query(serving["url"], "SELECT 1") == 1
        folder = Path(serving["data_dir"])
        program.kill()
        eventually(lambda: not folder.exists() and not processes_in(folder), 8)


def test_persistent_and_taken_over(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with owner(prefix=AS_ORDINARY_USER, data_dir=data_dir) as program:
        program.told()
        url = program.told()["url"]
        execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
        program.kill()
        running = processes_in(data_dir)
        assert running
    with owner(prefix=AS_ORDINARY_USER, data_dir=data_dir) as program:
        program.told()
        assert program.told()["url"] == url
        assert set(processes_in(data_dir)) & set(running)
        assert query(url, "SELECT number FROM kept") == 7
        program.say("stop")
        assert program.told() == {"stopped": True}
        assert not processes_in(data_dir)


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_that_the_user_may_not_write(tmp_path: Path, mode: int) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(mode)
    with owner(prefix=AS_ORDINARY_USER, data_dir=closed / "data") as program:
        program.told()
        said = program.told()["error"]
        assert f"data_dir {closed}/data cannot be used: Permission denied" in said
        assert "give a folder that this user may make, enter and write" in said
    closed.chmod(0o700)
    assert not list(closed.iterdir())
