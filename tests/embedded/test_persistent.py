"""A server with a data directory: what is in it stays, under the same URL, whatever happens."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casare_rpa.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.embedded.helpers import eventually, execute, is_alive, owner, postmaster_pid, processes_in, query


@pytest.fixture(scope="module")
def data_dir(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for all tests here, on a path with all that a shell would read."""
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("a $HOME `id` \"quoted\" 'folder'") / "data"))


@contextlib.contextmanager
def orphan(data_dir: Path) -> Iterator[str]:
    """A running server whose owner was killed."""
    with owner(data_dir=data_dir) as program:
        program.told()
        url = program.told()["url"]
        program.kill()
        assert is_alive(postmaster_pid(data_dir))
        yield url


def test_it_comes_back_under_the_same_url(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        url = server.url
        assert query(url, "SHOW fsync") == "on"
        assert query(url, "SELECT number FROM kept") == 7
    assert not processes_in(data_dir)
    with EmbeddedPostgres(str(data_dir)) as server:
        assert server.url == url
        assert server.data_dir == data_dir
        assert query(url, "SELECT number FROM kept") == 7


def test_a_server_whose_owner_was_killed_is_taken_over_and_stopped_at_the_end(data_dir: Path) -> None:
    with orphan(data_dir) as url:
        running = postmaster_pid(data_dir)
        with EmbeddedPostgres(data_dir) as server:
            assert server.url == url
            assert postmaster_pid(data_dir) == running
            assert query(url, "SELECT number FROM kept") == 7
        assert not is_alive(running)


def test_other_settings_restart_a_server_that_is_taken_over(data_dir: Path) -> None:
    with orphan(data_dir) as url:
        running = postmaster_pid(data_dir)
        with EmbeddedPostgres(data_dir, settings={"work_mem": "7MB"}) as server:
            assert server.url == url
            assert query(url, "SHOW work_mem") == "7MB"
        assert not is_alive(running)
    with EmbeddedPostgres(data_dir) as server:
        assert query(url, "SHOW work_mem") == "4MB"


def test_a_server_that_was_killed_with_its_owner_recovers(data_dir: Path) -> None:
    with orphan(data_dir) as url:
        execute(url, "CREATE TABLE committed AS SELECT 8 AS number")
        for pid in processes_in(data_dir):
            with contextlib.suppress(ProcessLookupError):
                subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)
        eventually(lambda: not processes_in(data_dir))
        with EmbeddedPostgres(data_dir) as server:
            assert server.url == url
            assert query(url, "SELECT number FROM committed") == 8
            execute(url, "DROP TABLE committed")


def test_only_the_postmaster_killed_is_recovered_at_once(data_dir: Path) -> None:
    with orphan(data_dir) as url:
        subprocess.run(["kill", "-9", str(postmaster_pid(data_dir))], check=True)
        with EmbeddedPostgres(data_dir) as server:
            assert query(server.url, "SELECT number FROM kept") == 7
            assert server.url == url


def test_a_later_process_with_the_servers_number_is_not_taken_for_it(data_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lines = [
            str(other.pid),
            str(data_dir),
            "1700000000",
            "20001",
            "",
            "127.0.0.1",
            "  1234567         9",
            "ready   ",
        ]
        (data_dir / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with EmbeddedPostgres(data_dir) as server:
            assert query(server.url, "SELECT number FROM kept") == 7
        assert other.poll() is None
        other.communicate(b"\n")


def test_a_second_owner_is_refused_while_the_first_lives(data_dir: Path) -> None:
    with owner(data_dir=data_dir) as program:
        pid = program.told()["starting"]
        url = program.told()["url"]
        with pytest.raises(EmbeddedPostgresError, match=rf"in use by the EmbeddedPostgres of process {pid}\b"):
            EmbeddedPostgres(data_dir).start()
        assert query(url, "SELECT number FROM kept") == 7
        program.say("stop")
        assert program.told() == {"stopped": True}
    with EmbeddedPostgres(data_dir) as server:
        assert server.url == url
        with pytest.raises(EmbeddedPostgresError, match="in use by"):
            EmbeddedPostgres(data_dir).start()
        assert query(url, "SELECT number FROM kept") == 7


def test_a_forked_child_of_a_killed_owner_does_not_keep_the_data(data_dir: Path) -> None:
    with owner(data_dir=data_dir, fork="stay") as program:
        program.told()
        child = program.told()["child"]
        program.kill()
        assert is_alive(child)
        with EmbeddedPostgres(data_dir) as server:
            assert query(server.url, "SELECT number FROM kept") == 7
        subprocess.run(["kill", "-9", str(child)], check=True)


def test_a_forked_child_does_not_stop_its_parents_server(data_dir: Path) -> None:
    with owner(data_dir=data_dir, fork="leave") as program:
        program.told()
        url = program.told()["url"]
        assert query(url, "SELECT number FROM kept") == 7
        program.say("stop")
        assert program.told() == {"stopped": True}


def test_a_server_that_its_program_forgot_is_stopped_with_it(data_dir: Path) -> None:
    with owner(data_dir=data_dir, exit_without_stop=True) as program:
        program.told()
        assert Path(program.told()["data_dir"]) == data_dir
        assert program.process.wait(30) == 0
    assert not processes_in(data_dir)
    assert not (data_dir / "postmaster.pid").exists()


def test_another_port_is_kept_from_then_on(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        password = server.url.split("@")[0]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EmbeddedPostgres(data_dir, port=port) as server:
        assert server.url == f"{password}@127.0.0.1:{port}/postgres"
        assert query(server.url, "SHOW port") == str(port)
    with EmbeddedPostgres(data_dir) as server:
        assert (server.port, query(server.url, "SELECT number FROM kept")) == (port, 7)


def test_a_start_killed_while_it_made_the_data_leaves_nothing_half(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with owner(data_dir=data_dir) as program:
        program.told()
        eventually(lambda: list(data_dir.glob("casare-init-*/data/base*")))
        program.kill()
    assert not (data_dir / "PG_VERSION").exists()
    with EmbeddedPostgres(data_dir) as server:
        url = server.url
        assert query(url, "SELECT 1") == 1
    (data_dir / "casare-init-of-a-dying-initdb").mkdir()
    with EmbeddedPostgres(data_dir) as server:
        assert (server.url, query(url, "SELECT 1")) == (url, 1)
    assert not list(data_dir.glob("casare-init-*"))


def test_a_start_killed_while_it_moved_the_data_into_place_goes_on(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        url = server.url
    made = data_dir / "casare-made"
    made.mkdir()
    for name in ("PG_VERSION", "base"):
        (data_dir / name).rename(made / name)
    with EmbeddedPostgres(data_dir) as server:
        assert (server.url, query(url, "SELECT number FROM kept")) == (url, 7)
    assert not made.exists()


def test_the_log_does_not_grow_without_end(data_dir: Path) -> None:
    log = data_dir / "server.log"
    log.write_bytes(b"x" * (10 * 2**20 + 1))
    with EmbeddedPostgres(data_dir):
        assert log.stat().st_size < 2**20
    assert (data_dir / "server.log.old").stat().st_size > 10 * 2**20


def test_ctrl_c_reaches_the_owner_alone(data_dir: Path) -> None:
    with owner(data_dir=data_dir) as program:
        program.told()
        url = program.told()["url"]
        subprocess.run(["kill", f"-{signal.SIGINT.name[3:]}", "--", f"-{program.process.pid}"], check=True)
        assert program.told() == {"interrupted": True}
        assert query(url, "SELECT number FROM kept") == 7
        program.say("stop")
        assert program.told() == {"stopped": True}
    assert "received fast shutdown request" in (data_dir / "server.log").read_text().rpartition("starting")[2]
