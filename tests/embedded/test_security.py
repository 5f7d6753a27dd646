"""Nobody gets in without the password, and nothing shows it."""

import os
import socket
import stat
import threading
from pathlib import Path

import asyncpg
import pytest

from casare_rpa.embedded import EmbeddedPostgres
from tests.embedded.helpers import arguments_of_all_processes, postmaster_pid, query


def password_of(server: EmbeddedPostgres) -> str:
    return server.url.split(":")[2].split("@")[0]


@pytest.mark.parametrize("password", ["", "casare", "wrong"])
def test_a_wrong_password_is_refused(server: EmbeddedPostgres, password: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(f"postgresql://casare:{password or 'x'}@127.0.0.1:{server.port}/postgres", "SELECT 1")


def test_no_rule_lets_anyone_in_without_the_password(server: EmbeddedPostgres) -> None:
    rules = "SELECT array_agg(type || ' ' || address || ' ' || netmask || ' ' || auth_method) FROM pg_hba_file_rules"
    assert set(query(server.url, rules)) == {"host 127.0.0.1 255.255.255.255 scram-sha-256"}
    kept = "SELECT rolpassword FROM pg_authid WHERE rolname = 'casare'"
    assert query(server.url, kept).startswith("SCRAM-SHA-256$")


def test_it_listens_on_127_0_0_1_alone(server: EmbeddedPostgres) -> None:
    for family, address in ((socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as other:
            other.settimeout(5)
            with pytest.raises(OSError, match=r"refused|not available|not supported"):
                other.connect((address, server.port))


def test_only_the_owner_can_read_what_lies_on_disk(server: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    ours = [path for path in server.data_dir.iterdir() if path.is_file()]
    assert {"casare.json", "casare.conf", "casare.lock", "server.log"} <= {path.name for path in ours}
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in ours} == {oct(0o600)}


def test_each_server_has_its_own_password(server: EmbeddedPostgres, data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as other:
        assert password_of(other) != password_of(server)
        assert password_of(other) not in repr(other)
        assert password_of(other) not in (other.data_dir / "server.log").read_text()


def test_no_process_shows_the_password_at_any_time() -> None:
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(arguments_of_all_processes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with EmbeddedPostgres(settings={"fsync": "off"}) as server:
            password = password_of(server)
            assert query(server.url, "SELECT 1") == 1
    finally:
        done.set()
        watcher.join()
    assert any("initdb" in arguments for arguments in seen)
    assert not [arguments for arguments in seen if password in arguments]


def test_the_owners_secrets_do_not_reach_the_server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_API_KEY", "a-secret")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=9MB")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_ALL", "xx_XX.broken")
    with EmbeddedPostgres(data_dir) as server:
        environment = Path(f"/proc/{postmaster_pid(server.data_dir)}/environ").read_bytes()
        assert b"a-secret" not in environment
        assert query(server.url, "SHOW work_mem") == "4MB"
    assert os.environ["PGPORT"] == "1"
