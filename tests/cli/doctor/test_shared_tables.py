"""What all sessions of a server share and any login can fill: its table of locks, its queue of notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import QueueConfig
    from tests.cli.doctor.conftest import Look


async def test_as_a_rule_both_have_room(look: Look) -> None:
    for check in ("locks", "notifications"):
        assert (await look(check)).state == "ok"


async def test_who_holds_most_of_the_locks_is_named(small_config: QueueConfig, look: Look) -> None:
    hoarder = await asyncpg.connect(small_config.database_url, server_settings={"application_name": "hoarder"})
    room = (await look("locks", other=small_config)).facts["room"]
    await hoarder.execute(f"SELECT pg_advisory_lock(n) FROM generate_series(1, {room * 6 // 10}) n")
    found = await look("locks", other=small_config)
    assert found.state == "warning"
    assert f"session {hoarder.get_server_pid()} of hoarder" in found.found
    assert f"pg_terminate_backend({hoarder.get_server_pid()})" in (found.advice or "")
    await hoarder.close()
