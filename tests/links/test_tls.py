"""TLS: what each `sslmode` asks of a server, and what is said when it does not have it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest
import trustme

from casare_rpa.embedded import EmbeddedPostgres, system
from casare_rpa.infrastructure.postgres.connection import connect
from casare_rpa.infrastructure.queue import (
    ConfigError,
    DatabaseUnavailable,
    JobModel,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)
from tests.conftest import execute
from tests.faults.fleet import Ledger, robots
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_server(authority: trustme.CA) -> Iterator[EmbeddedPostgres]:
    """A server whose certificate is for `localhost`, and which still serves those who ask for no TLS."""
    for bin_dir in (None, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)):
        with EmbeddedPostgres(bin_dir=bin_dir, settings={"fsync": "off"}) as running:
            if asyncio.run(knows_tls(running)):
                asyncio.run(give_certificate(running, authority.issue_cert("localhost")))
                yield running
                return
    pytest.skip("needs a PostgreSQL that is built with TLS")


async def knows_tls(server: EmbeddedPostgres) -> bool:
    connection = await asyncpg.connect(server.url)
    try:
        return bool(await connection.fetchval("SHOW ssl_library"))
    finally:
        await connection.close()


async def give_certificate(server: EmbeddedPostgres, certificate: trustme.LeafCert) -> None:
    connection = await asyncpg.connect(server.url)
    data = Path(await connection.fetchval("SHOW data_directory"))
    for name, pem in [("server.crt", certificate.cert_chain_pems[0]), ("server.key", certificate.private_key_pem)]:
        file = data / name
        file.touch(mode=0o600)
        pem.write_to_path(str(file))
        system.give_file(file, *system.owner_of(data))
    await connection.execute("ALTER SYSTEM SET ssl = on")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    await eventually(lambda: encrypts(server.url + "?sslmode=require"), why="the server takes TLS")


async def encrypts(url: str) -> bool:
    try:
        await execute(url, "SELECT 1")
    except ConnectionError:
        return False
    return True


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """A file with the certificate of the authority that the server's comes from."""
    return written(authority, tmp_path / "trusted.pem")


@pytest.fixture
def stranger(tmp_path: Path) -> str:
    """A file with the certificate of another authority."""
    return written(trustme.CA(), tmp_path / "stranger.pem")


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Certificates that this user may have at home do not count."""
    monkeypatch.setenv("HOME", str(tmp_path))


def written(authority: trustme.CA, path: Path) -> str:
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def url_of(server: EmbeddedPostgres, query: str, host: str = "localhost") -> str:
    return server.url.replace("127.0.0.1", host) + f"?{query}"


async def is_encrypted(url: str) -> bool:
    connection = await connect(url, "test")
    encrypted: bool = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    await connection.close()
    return encrypted


async def refusal(url: str, kind: type[Exception]) -> str:
    """Return what is said when the URL cannot be connected to; it holds no secret."""
    with pytest.raises(kind) as caught:
        await connect(url, "test")
    assert str(urlsplit(url).password) not in str(caught.value)
    return str(caught.value)


async def test_with_verify_full_the_whole_queue_is_encrypted(tls_server, trusted):
    config = QueueConfig(database_url=url_of(tls_server, f"sslmode=verify-full&sslrootcert={trusted}"))
    await migrate(config)
    ledger = Ledger()
    async with PgQueuerProducer(config) as producer, robots(config, 1, ledger) as [robot]:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await eventually(lambda: ledger.handled[job_id])
        await eventually(lambda: robot._lifeline.hears_of_jobs)
        assert (await producer.health_check()).ok
        connection = await connect(config.require_url(), "test")
        ours = await connection.fetch(
            "SELECT a.application_name, s.ssl FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)"
            " WHERE a.application_name LIKE 'casare%'"
        )
        await connection.close()
    assert {row["ssl"] for row in ours} == {True}
    assert {row["application_name"] for row in ours} >= {"casare lifeline robot-0", "casare robot robot-0"}


@pytest.mark.parametrize(
    ("mode", "encrypted"), [("disable", False), ("prefer", True), ("require", True), ("verify-ca", True)]
)
async def test_what_each_mode_gets_from_a_server_of_another_name(tls_server, trusted, mode, encrypted):
    query = f"sslmode={mode}" + (f"&sslrootcert={trusted}" if mode == "verify-ca" else "")
    assert await is_encrypted(url_of(tls_server, query, host="127.0.0.1")) is encrypted


async def test_a_server_of_another_name_is_not_trusted(tls_server, trusted):
    said = await refusal(
        url_of(tls_server, f"sslmode=verify-full&sslrootcert={trusted}", host="127.0.0.1"), DatabaseUnavailable
    )
    assert said.startswith("the certificate of 127.0.0.1:")
    assert "is not trusted: " in said
    assert "127.0.0.1" in said.split("is not trusted: ")[1]


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
async def test_a_certificate_of_an_unknown_authority_is_not_trusted(tls_server, stranger, mode):
    """With `require` too, once an authority is named."""
    said = await refusal(url_of(tls_server, f"sslmode={mode}&sslrootcert={stranger}"), DatabaseUnavailable)
    assert "is not trusted: " in said


async def test_verifying_needs_the_authoritys_certificate(tls_server, tmp_path):
    said = await refusal(url_of(tls_server, "sslmode=verify-full"), ConfigError)
    assert "root.crt" in said
    missing = str(tmp_path / "missing.pem")
    said = await refusal(url_of(tls_server, f"sslmode=verify-full&sslrootcert={missing}"), ConfigError)
    assert missing in said
    (tmp_path / "no.pem").write_text("no certificate", encoding="utf-8")
    said = await refusal(url_of(tls_server, f"sslmode=verify-full&sslrootcert={tmp_path / 'no.pem'}"), ConfigError)
    assert "no.pem" in said


async def test_a_mode_that_there_is_not_is_refused(tls_server):
    assert "sslmode" in await refusal(url_of(tls_server, "sslmode=always"), ConfigError)


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_a_server_without_tls_is_refused_by_those_who_ask_for_it(server, trusted, mode):
    said = await refusal(url_of(server, f"sslmode={mode}&sslrootcert={trusted}"), DatabaseUnavailable)
    assert "localhost" in said
    assert "SSL" in said
    assert not await is_encrypted(url_of(server, "sslmode=prefer"))
