from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rights.logins import Logins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


@pytest.fixture
async def logins(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[Logins]:
    async with Logins(connection, database_url) as made:
        yield made
