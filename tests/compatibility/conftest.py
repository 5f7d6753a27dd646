"""A database as version 1 made it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import asyncpg
import pytest

from casare_rpa.infrastructure.postgres.migrator import migrate_schema
from casare_rpa.infrastructure.queue import QueueConfig
from casare_rpa.infrastructure.queue.schema import BLUEPRINT
from tests.compatibility.recorded import FUNCTIONS, TABLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NEEDED = ["00_clock.sql", "43_partitions.sql", "99_partitions_now.sql"]
"""Functions of today that make the weeks of history: all else that version 1 had is there by its name alone."""


@pytest.fixture
async def old(empty_database_url: str, tmp_path: Path) -> AsyncIterator[asyncpg.Connection]:
    """A session of a database with the schema of version 1."""
    for folder, source, names in (
        ("migrations", BLUEPRINT.migrations, TABLES),
        ("functions", BLUEPRINT.functions, NEEDED),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text((source / name).read_text("utf-8"), encoding="utf-8")
    stubs = "\n".join(
        f"CREATE FUNCTION {each} LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'version 1'; END $$;"
        for each in FUNCTIONS
    )
    (tmp_path / "functions" / "000_version_1.sql").write_text(stubs, encoding="utf-8")
    blueprint = dataclasses.replace(BLUEPRINT, migrations=tmp_path / "migrations", functions=tmp_path / "functions")
    assert await migrate_schema(empty_database_url, "pgqueuer", blueprint) == 1
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


@pytest.fixture
def config(empty_database_url: str) -> QueueConfig:
    return QueueConfig(database_url=empty_database_url, connection_pool_size=2, outage_patience=5)
