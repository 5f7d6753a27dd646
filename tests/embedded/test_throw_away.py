"""A server without a data directory: there while it is needed, gone without a trace."""

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from casare_rpa.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.embedded.helpers import execute, postmaster_pid, processes_in, query


def test_a_server_runs_and_goes_without_a_trace() -> None:
    with EmbeddedPostgres() as server:
        assert query(server.url, "SELECT 1") == 1
        folder = server.data_dir
        assert processes_in(folder)
        execute(server.url, "CREATE DATABASE another")
        assert query(server.url.replace("/postgres", "/another"), "SELECT current_database()") == "another"
    assert not processes_in(folder)
    assert not folder.exists()


def test_start_and_stop_may_be_repeated() -> None:
    server = EmbeddedPostgres(settings={"fsync": "off", "casare.note": "it's a back\\slash"})
    server.stop()
    server.start()
    first = server.url
    server.start()
    assert server.url == first
    assert query(first, "SHOW fsync") == "off"
    assert query(first, "SHOW casare.note") == "it's a back\\slash"
    server.stop()
    server.stop()
    with pytest.raises((ConnectionRefusedError, OSError)):
        query(first, "SELECT 1")
    server.start()
    try:
        assert query(server.url, "SELECT 1") == 1
        assert server.url != first
    finally:
        server.stop()


def test_what_the_url_says_is_so(server: EmbeddedPostgres) -> None:
    parts = urlsplit(server.url)
    assert (parts.scheme, parts.hostname, parts.port) == ("postgresql", "127.0.0.1", server.port)
    assert (parts.username, parts.path) == ("casare", "/postgres")
    assert len(parts.password or "") >= 40


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("TimeZone", "UTC"),
        ("log_timezone", "UTC"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
    ],
)
def test_the_defaults(server: EmbeddedPostgres, setting: str, value: str) -> None:
    assert query(server.url, f"SHOW {setting}") == value


def test_text_sorts_by_its_code_points_whatever_the_system_speaks(server: EmbeddedPostgres) -> None:
    assert query(server.url, "SELECT 'Z' < 'a' AND 'z' < 'ä'") is True
    assert query(server.url, "SELECT datcollate FROM pg_database WHERE datname = 'template1'") == "C"


def test_it_takes_500_connections_of_ordinary_users(server: EmbeddedPostgres) -> None:
    execute(server.url, "CREATE ROLE ordinary LOGIN PASSWORD 'ordinary'")
    url = f"postgresql://ordinary:ordinary@127.0.0.1:{server.port}/postgres"

    async def fill() -> int:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(500):
                connection = await asyncpg.connect(url)
                stack.push_async_callback(connection.close)
            with pytest.raises(asyncpg.TooManyConnectionsError):
                await asyncpg.connect(url)
            return int(await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = 'ordinary'"))

    assert asyncio.run(fill()) == 500


def test_nothing_is_known_before_the_start() -> None:
    server = EmbeddedPostgres()
    with pytest.raises(EmbeddedPostgresError, match="never started"):
        _ = server.url
    with pytest.raises(EmbeddedPostgresError, match="call start"):
        server.restart()


def test_a_killed_server_comes_back_with_what_was_committed() -> None:
    with EmbeddedPostgres() as server:
        url = server.url
        execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
        server.kill()
        assert not processes_in(server.data_dir)
        with pytest.raises((ConnectionRefusedError, OSError)):
            query(url, "SELECT 1")
        server.start()
        assert (server.url, query(url, "SELECT number FROM kept")) == (url, 7)
        server.restart(immediate=True)
        assert (server.url, query(url, "SELECT number FROM kept")) == (url, 7)
        server.restart()
        assert (server.url, query(url, "SELECT number FROM kept")) == (url, 7)


def test_a_killed_server_leaves_no_shared_memory_when_it_is_stopped() -> None:
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        segments = shared_memory(server.data_dir)
        assert segments
        server.kill()
        folder = server.data_dir
    assert not folder.exists()
    assert not processes_in(folder)
    assert not [segment for segment in segments if segment.exists()]


def shared_memory(data_dir: Path) -> set[Path]:
    maps = Path(f"/proc/{postmaster_pid(data_dir)}/maps").read_text()
    return {Path(line.split()[-1]) for line in maps.splitlines() if "/dev/shm/PostgreSQL" in line}  # noqa: S108 (Linux's)
