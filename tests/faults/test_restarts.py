"""Under load the server crashes and connections break: nothing is lost, nothing is done twice, nobody needs help."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.faults.fleet import Ledger, each_completed_once, load, robots

CRASHES = 3
BREAKS = 8
BREAK = """
    SELECT count({0}(pid)) FROM pg_stat_activity
     WHERE application_name LIKE 'casare%' AND datname = current_database()
"""


async def test_the_server_crashes_under_load(own_server, own_config):
    ledger = Ledger()
    async with robots(own_config, 2, ledger):
        async with load(own_config, pause=0.03) as ids:
            for _ in range(CRASHES):
                await ledger.grows_by(100)
                await asyncio.to_thread(own_server.restart, immediate=True)
            await ledger.grows_by(100)
        connection = await asyncpg.connect(own_config.database_url)
        account = await each_completed_once(connection, ids)
        await connection.close()

    assert account["crashes"] == 0, "robots lived: no lease may have run out"
    assert account["attempts"] == 1, "a claim whose reply was lost gives its attempt back"


async def test_connections_break_and_statements_are_cancelled_under_load(config, connection):
    config = config.model_copy(update={"outage_patience": 60, "poll_interval": 0.1})
    ledger = Ledger()
    broken = 0
    async with robots(config, 2, ledger):
        async with load(config, pause=0.03) as ids:
            for _ in range(BREAKS):
                for how in ("pg_terminate_backend", "pg_cancel_backend"):
                    await ledger.grows_by(50)
                    broken += await connection.fetchval(BREAK.format(how))
            await ledger.grows_by(50)
        account = await each_completed_once(connection, ids)

    assert broken > BREAKS
    assert (account["crashes"], account["attempts"]) == (0, 1)
