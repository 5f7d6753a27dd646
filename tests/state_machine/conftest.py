"""A database for each module: the tests here clear it instead of making a new one, since there are hundreds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.conftest import execute, with_database
from tests.state_machine.bench import Bench
from tests.state_machine.memory import MemoryBench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.embedded import EmbeddedPostgres


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_bench(
    request: pytest.FixtureRequest, server: EmbeddedPostgres, template_database: str
) -> AsyncIterator[Bench]:
    name = request.module.__name__.rsplit(".", 1)[-1]
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    bench = Bench(with_database(server.url, name))
    await bench.open()
    yield bench
    assert await bench.deadlocks() == 0
    await bench.close()
    await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="module")
async def fresh_bench(database_url: str) -> AsyncIterator[Bench]:
    """A database of this test's own, whose clock goes."""
    bench = Bench(database_url)
    await bench.open(frozen=False)
    yield bench
    await bench.close()


@pytest_asyncio.fixture(loop_scope="module")
async def postgres_bench(module_bench: Bench) -> Bench:
    """The module's database without a job in it."""
    await module_bench.clear()
    return module_bench


@pytest.fixture
def memory_bench() -> MemoryBench:
    """An empty queue in memory."""
    return MemoryBench()


@pytest.fixture
def bench(postgres_bench: Bench) -> Bench:
    """The bench of a test that is about PostgreSQL."""
    return postgres_bench
