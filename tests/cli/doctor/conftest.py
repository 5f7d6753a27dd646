"""Fixtures: an examination of this test's database, and logins of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from casare_rpa.embedded import EmbeddedPostgres
from casare_rpa.infrastructure.queue import QueueConfig, migrate
from casare_rpa.infrastructure.queue.doctor import Limits, examine
from tests.rights.logins import Logins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import asyncpg

    from casare_rpa.infrastructure.queue.doctor import Finding


class Look(Protocol):
    async def __call__(self, check: str, limits: Limits | None = None, other: QueueConfig | None = None) -> Finding: ...


def found_by(findings: list[Finding], check: str) -> Finding:
    """Return the worst finding of a check."""
    of_check = [finding for finding in findings if finding.check == check]
    assert of_check, f"no finding of {check}: {findings}"
    return min(of_check, key=lambda finding: ("problem", "warning", "note", "ok").index(finding.state))


@pytest.fixture
def look(config: QueueConfig) -> Look:
    """Examine the test's database, or another, and return the worst finding of one check."""

    async def examine_one(check: str, limits: Limits | None = None, other: QueueConfig | None = None) -> Finding:
        return found_by(await examine(other or config, limits), check)

    return examine_one


@pytest.fixture
async def logins(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[Logins]:
    async with Logins(connection, database_url) as made:
        yield made


@pytest.fixture(scope="module")
def small_server() -> Iterator[EmbeddedPostgres]:
    """A server that is set up badly: few connections, no autovacuum."""
    settings = {"max_connections": "12", "autovacuum": "off", "max_prepared_transactions": "3", "fsync": "off"}
    with EmbeddedPostgres(settings=settings) as running:
        yield running


@pytest.fixture
async def small_config(small_server: EmbeddedPostgres) -> QueueConfig:
    config = QueueConfig(database_url=small_server.url, connection_pool_size=1, outage_patience=1)
    await migrate(config)
    return config
