"""What the doctor says behind PgBouncer in transaction mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casare_rpa.infrastructure.queue.doctor import examine
from casare_rpa.infrastructure.queue.doctor.checks import CHECKS
from tests.cli.doctor.conftest import found_by
from tests.poolers.pgbouncer import PROGRAM, PgBouncer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casare_rpa.embedded import EmbeddedPostgres
    from casare_rpa.infrastructure.queue import QueueConfig


@pytest.fixture(scope="module")
def pooler(server: EmbeddedPostgres) -> Iterator[PgBouncer]:
    if PROGRAM is None:
        pytest.skip("pgbouncer is not installed")
    with PgBouncer(server.url) as running:
        yield running


@pytest.fixture
def pooled(config: QueueConfig, pooler: PgBouncer, database_url: str) -> QueueConfig:
    return config.model_copy(update={"database_url": pooler.url(database_url.rsplit("/", 1)[1])})


async def test_a_pooler_is_found_and_everything_else_is_looked_at(pooled: QueueConfig) -> None:
    findings = await examine(pooled)
    assert {finding.check for finding in findings} == {check.name for check in CHECKS} - {"encryption"}
    pooler = found_by(findings, "pooler")
    assert (pooler.state, "PGQUEUER_DIRECT_URL" in (pooler.advice or "")) == ("warning", True)
    assert found_by(findings, "listen").state == "note"
    assert {f.check for f in findings if f.state in {"warning", "problem"}} == {"pooler", "durability"}


async def test_the_advice_mends_it(pooled: QueueConfig, database_url: str) -> None:
    findings = await examine(pooled.model_copy(update={"direct_url": database_url}))
    assert found_by(findings, "pooler").state == "note"
    assert found_by(findings, "listen").facts["milliseconds"] > 0


async def test_a_pooler_in_transaction_mode_that_is_said_to_be_direct(pooled: QueueConfig) -> None:
    findings = await examine(pooled.model_copy(update={"direct_url": pooled.database_url}))
    assert found_by(findings, "listen").state == "warning"
