"""What the doctor says of the server: that it is not there, who holds it up, what is switched off."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import asyncpg

from casare_rpa.infrastructure.queue import JobModel, QueueConfig
from casare_rpa.infrastructure.queue.doctor import Limits, examine
from casare_rpa.infrastructure.queue.doctor.checks import CHECKS
from tests.cli.doctor.conftest import found_by
from tests.conftest import execute, with_database
from tests.faults.proxy import Proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    import pytest

    from casare_rpa.embedded import EmbeddedPostgres
    from casare_rpa.infrastructure.queue import PgQueuerProducer
    from casare_rpa.infrastructure.queue.doctor import Finding
    from tests.cli.doctor.conftest import Look


async def test_all_is_well(config: QueueConfig, producer: PgQueuerProducer) -> None:
    findings = await examine(config)
    assert {finding.check for finding in findings} == {check.name for check in CHECKS}
    assert {finding.check for finding in findings if finding.state in {"warning", "problem"}} == {"durability"}


async def test_every_advice_comes_with_something_found(config: QueueConfig) -> None:
    for finding in await examine(config):
        assert finding.found
        assert finding.state == "ok" or finding.advice or finding.check in {"upkeep", "listen"}


async def test_nobody_answers() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"postgresql://u:s3cret@127.0.0.1:{bound.getsockname()[1]}/d"
        (finding,) = await examine(QueueConfig(database_url=url))
    assert (finding.check, finding.state) == ("server", "problem")
    assert "no PostgreSQL answers at 127.0.0.1" in finding.found
    assert "s3cret" not in finding.model_dump_json()


async def test_a_server_that_says_nothing() -> None:
    hung_up = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        url = f"postgresql://u:p@127.0.0.1:{silent.sockets[0].getsockname()[1]}/d"
        (finding,) = await examine(QueueConfig(database_url=url), Limits(total=0.5))
        await hung_up.wait()
    assert (finding.check, finding.state) == ("server", "problem")
    assert "no answer within" in finding.found


async def test_a_link_that_falls_silent_in_the_middle(
    config: QueueConfig, database_url: str, connection: asyncpg.Connection
) -> None:
    waiting = "SELECT true FROM pg_locks WHERE relation = 'pgqueuer.upkeep_state'::regclass AND NOT granted"
    async with Proxy(database_url) as proxy:
        through = config.model_copy(update={"database_url": proxy.url})
        async with connection.transaction():
            await connection.execute("LOCK TABLE pgqueuer.upkeep_state IN ACCESS EXCLUSIVE MODE")
            examination = asyncio.create_task(examine(through, Limits(one_check=1.0)))
            await eventually(lambda: connection.fetchval(waiting))
            proxy.silence()
        findings = await examination
        await eventually(lambda: not proxy._links)
    assert [finding.state for finding in findings if "no answer within 1.0 s" in finding.found] == ["warning"]
    assert found_by(findings, "dead letters").state == "ok"  # over a new connection


async def test_wrong_password(server: EmbeddedPostgres) -> None:
    (finding,) = await examine(QueueConfig(database_url=f"postgresql://casare:wr0ng@127.0.0.1:{server.port}/postgres"))
    assert finding.state == "problem"
    assert "password authentication failed" in finding.found


async def test_read_only(connection: asyncpg.Connection, database_url: str, look: Look) -> None:
    name = database_url.rsplit("/", 1)[1]
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    finding = await look("server")
    assert finding.state == "problem"
    assert finding.advice is not None
    await execute(database_url, "SET default_transaction_read_only = off", finding.advice.split(";")[0])
    assert (await look("server")).state == "ok"


async def test_an_encoding_that_lacks_characters(server: EmbeddedPostgres) -> None:
    await execute(server.url, "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        findings = await examine(QueueConfig(database_url=with_database(server.url, "latin")))
    finally:
        await execute(server.url, "DROP DATABASE latin WITH (FORCE)")
    assert found_by(findings, "encoding").facts == {"encoding": "LATIN1"}


async def test_the_oldest_transaction_and_how_to_end_it(
    connection: asyncpg.Connection, database_url: str, look: Look
) -> None:
    holder = await asyncpg.connect(database_url, server_settings={"application_name": "report"})
    try:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        young = await look("oldest transaction")
        assert (young.state, young.facts["application"]) == ("ok", "report")
        old = await look("oldest transaction", Limits(old_transaction=0))
        assert old.state == "warning"
        assert old.facts["holder"] == str(holder.get_server_pid())
        assert "of casare, report, idle in transaction" in old.found
        assert (await look("oldest transaction", Limits(ancient_transaction=0))).state == "problem"
        assert old.advice is not None
        await connection.execute(old.advice.split(";")[0])
        await eventually(lambda: _has_none(look))
    finally:
        holder.terminate()


async def _has_none(look: Look) -> bool:
    return (await look("oldest transaction")).found == "none is open"


async def test_notifications_that_do_not_arrive(config: QueueConfig, server: EmbeddedPostgres, look: Look) -> None:
    assert (await look("listen")).facts["milliseconds"] > 0
    assert (await look("listen", Limits(slow_notification=0))).state == "warning"
    elsewhere = config.model_copy(update={"direct_url": server.url})  # notifications stay within their database
    finding = await look("listen", None, elsewhere)
    assert (finding.state, finding.facts) == ("warning", {"milliseconds": None})


async def test_a_direct_url_that_leads_nowhere(config: QueueConfig, look: Look) -> None:
    nowhere = config.model_copy(update={"direct_url": "postgresql://u:s3cret@127.0.0.1:1/d"})
    finding = await look("listen", None, nowhere)
    assert (finding.state, finding.advice) == ("warning", "look at PGQUEUER_DIRECT_URL")
    assert "s3cret" not in finding.found


async def test_a_name_server_that_says_nothing(config: QueueConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: answer.wait())
    (finding,) = await examine(config, Limits(total=0.2))
    answer.set()
    assert (finding.state, "could not be looked up" in finding.found) == ("problem", True)


async def test_clocks_apart(look: Look) -> None:
    fine = await look("clock")
    assert fine.state == "ok"
    assert abs(fine.facts["seconds_ahead"]) < 0.5
    assert (await look("clock", Limits(clock_skew=-1))).state == "warning"


async def test_settings_that_end_sessions(connection: asyncpg.Connection, database_url: str, look: Look) -> None:
    name = database_url.rsplit("/", 1)[1]
    for setting, value in {
        "idle_session_timeout": "'1min'",
        "statement_timeout": "'2s'",
        "default_transaction_isolation": "'serializable'",
    }.items():
        await connection.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
        finding = await look("settings")
        assert (finding.state, list(finding.facts)) == ("warning", [setting])
        await connection.execute(f"ALTER DATABASE {name} RESET {setting}")
    assert (await look("settings")).state == "ok"


async def test_durability(look: Look) -> None:
    assert (await look("durability")).state == "warning"  # the session's server is set up for tests


async def test_transaction_numbers(look: Look) -> None:
    assert (await look("transaction numbers")).state == "ok"
    assert (await look("transaction numbers", Limits(transaction_ids=0))).state == "problem"


async def test_a_prepared_transaction_that_nobody_ended(small_config: QueueConfig, look: Look) -> None:
    connection = await asyncpg.connect(small_config.database_url)
    try:
        await connection.execute("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'left '' behind'")
        old = await look("oldest transaction", Limits(old_transaction=0), small_config)
        assert (old.state, old.facts["kind"], old.facts["holder"]) == (
            "warning",
            "prepared transaction",
            "left ' behind",
        )
        assert old.advice is not None
        await connection.execute(old.advice.split(";")[0])
        assert (await look("oldest transaction", None, small_config)).found == "none is open"
    finally:
        await connection.close()


async def test_a_replication_slot_that_nobody_reads(small_config: QueueConfig, look: Look) -> None:
    connection = await asyncpg.connect(small_config.database_url)
    try:
        assert (await look("replication slots", None, small_config)).state == "ok"
        await connection.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
        finding = await look("replication slots", Limits(slot_bytes=0), small_config)
        assert (finding.state, finding.facts["slot"]) == ("warning", "left_behind")
        assert finding.advice is not None
        await connection.execute(finding.advice.split(";")[0])
        assert (await look("replication slots", Limits(slot_bytes=0), small_config)).state == "ok"
    finally:
        await connection.close()


async def test_autovacuum_off(small_config: QueueConfig, look: Look) -> None:
    finding = await look("autovacuum", None, small_config)
    assert (finding.state, finding.facts) == ("problem", {"autovacuum": False})


async def test_no_connection_left(small_server: EmbeddedPostgres, small_config: QueueConfig, look: Look) -> None:
    await execute(small_server.url, "CREATE ROLE ordinary LOGIN PASSWORD 'pw'")
    ordinary = QueueConfig(database_url=f"postgresql://ordinary:pw@127.0.0.1:{small_server.port}/postgres")
    few = await look("connections", None, ordinary)
    assert (few.state, few.facts["bound"]) == ("warning", "max_connections")
    held: list[asyncpg.Connection] = []
    try:
        while (opened := await _one_more(ordinary)) is not None:
            held.append(opened)
        (finding,) = await examine(ordinary)
        assert (finding.check, finding.state, finding.facts) == ("connections", "problem", {"left": 0})
    finally:
        for connection in held:
            await connection.close()
        await execute(small_server.url, "DROP ROLE ordinary")


async def _one_more(config: QueueConfig) -> asyncpg.Connection | None:
    try:
        return await asyncpg.connect(config.database_url)
    except asyncpg.TooManyConnectionsError:
        return None


async def test_a_limit_of_the_database(connection: asyncpg.Connection, database_url: str, look: Look) -> None:
    name = database_url.rsplit("/", 1)[1]
    assert (await look("connections")).state == "ok"
    await connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 9")
    finding = await look("connections")
    assert (finding.state, finding.facts["bound"]) == ("warning", "the database's CONNECTION LIMIT")


async def test_a_lock_in_the_way(connection: asyncpg.Connection, look: Look) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE pgqueuer.upkeep_state IN ACCESS EXCLUSIVE MODE")
        finding = await look("upkeep")
    assert (finding.state, "a lock is in the way" in finding.found) == ("warning", True)
    assert (await look("upkeep")).state != "warning"


async def test_dead_rows_that_nobody_removes(
    producer: PgQueuerProducer, connection: asyncpg.Connection, look: Look
) -> None:
    limits = Limits(dead_times_trigger=0.1, dead_rows=500)
    assert (await look("bloat", limits)).state == "ok"
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(1000)])
    await connection.execute("SELECT pgqueuer.purge_queue('casare_rpa_jobs')")
    await connection.execute("SELECT pg_stat_force_next_flush()")
    finding = await eventually(lambda: _is_bloated(look, limits))
    assert finding.facts["name"] == "jobs"
    assert finding.facts["dead"] >= 1000
    assert (await look("bloat")).state == "ok"
    await connection.execute(finding.advice.split(";")[0])
    await eventually(lambda: _is_lean(look, limits))


async def _is_bloated(look: Look, limits: Limits) -> Finding | None:
    finding = await look("bloat", limits)
    return finding if finding.state == "warning" else None


async def _is_lean(look: Look, limits: Limits) -> bool:
    return (await look("bloat", limits)).state == "ok"


async def test_an_index_that_has_grown(connection: asyncpg.Connection, look: Look) -> None:
    finding = await look("bloat", Limits(index_bytes=1000, index_bytes_per_row=0))
    assert finding.state == "warning"
    assert finding.advice is not None
    assert finding.advice.startswith('REINDEX INDEX CONCURRENTLY "pgqueuer"."')
    await connection.execute(finding.advice)
