"""Real logins for a test: made with a password and a role of the queue, registered, and gone at the end."""

from __future__ import annotations

import itertools
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from casare_rpa.infrastructure.queue import PgQueuerConsumer, PgQueuerProducer, QueueConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ROLES = ("robot", "producer", "viewer", "publisher")
_numbers = itertools.count(1)


class Login:
    """A login of one test's database."""

    def __init__(self, name: str, url: str, stack: AsyncExitStack) -> None:
        self.name = name
        self.config = QueueConfig(database_url=url, connection_pool_size=2, outage_patience=2, poll_interval=0.05)
        self._stack = stack

    async def connect(self) -> asyncpg.Connection:
        """Return a plain connection of this login's."""
        connection = await asyncpg.connect(self.config.database_url)
        self._stack.push_async_callback(connection.close)
        return connection

    async def producer(self) -> PgQueuerProducer:
        return await self._stack.enter_async_context(PgQueuerProducer(self.config))

    async def consumer(self, **what: Any) -> PgQueuerConsumer:
        config = self.config.model_copy(update=what)
        return await self._stack.enter_async_context(PgQueuerConsumer(config, f"robot of {self.name}"))


class Logins:
    """Makes logins; used as an async context, it drops them at the end."""

    def __init__(self, administrator: asyncpg.Connection, url: str) -> None:
        self._administrator = administrator
        self._url = urlsplit(url)
        self._made: list[str] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        for name in self._made:
            await self._administrator.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')

    async def make(
        self,
        role: str | None,
        *,
        tenant: str | None = None,
        queues: Sequence[str] | None = None,
        registered: bool = True,
        password: str | None = None,
    ) -> Login:
        """Make a login with one of the queue's roles, or with none, bound to a tenant and to queues."""
        name, password = f"test_login_{next(_numbers)}", password or secrets.token_urlsafe(16)
        member = f'IN ROLE "pgqueuer_{role}"' if role else ""
        await self._administrator.execute(f"""CREATE ROLE "{name}" LOGIN PASSWORD '{password}' {member}""")
        self._made.append(name)
        if registered:
            await self._administrator.execute("SELECT pgqueuer.register_login($1, $2, $3)", name, tenant, queues)
        address = self._url._replace(netloc=f"{name}:{password}@{self._url.hostname}:{self._url.port}")
        return Login(name, urlunsplit(address), self._stack)
