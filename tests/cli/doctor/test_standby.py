"""What the doctor says of a standby."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import QueueConfig, migrate
from casare_rpa.infrastructure.queue.doctor import examine
from tests.cli.doctor.conftest import found_by

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_standby_takes_no_writes_and_can_still_be_looked_at(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedPostgres(data, settings={"fsync": "off"}) as primary:
        await migrate(QueueConfig(database_url=primary.url))
    become_standby(data)
    with EmbeddedPostgres(data) as standby:
        findings = await examine(QueueConfig(database_url=standby.url))
    server = found_by(findings, "server")
    assert (server.state, "this is a standby" in server.found) == ("problem", True)
    assert found_by(findings, "listen").state == "problem"
    assert found_by(findings, "schema").state == "ok"
    assert found_by(findings, "grants").state == "ok"


def become_standby(data: Path) -> None:
    """Let the server come up in recovery, where it waits for what its primary sends."""
    (data / "standby.signal").touch()
