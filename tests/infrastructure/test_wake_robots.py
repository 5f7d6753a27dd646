"""A new job wakes a few robots of a large fleet, and all of a small one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from casare_rpa.infrastructure.queue import QueueConfig

FEWEST = 3


class Ears:
    """Hears what robots of a queue are told: one session listens for all of them."""

    def __init__(self, connection: asyncpg.Connection, queue: str) -> None:
        self.connection = connection
        self.queue = queue
        self.told: Counter[UUID | None] = Counter()
        """How often each robot was told by name; None is what all of them hear."""
        self._ended = False

    async def listen_as(self, robots: list[UUID], tenant: str | None = None) -> None:
        await self.connection.executemany(
            "INSERT INTO pgqueuer.robots VALUES ($1, 'robot', $2, $3, now())",
            [(robot, self.queue, tenant) for robot in robots],
        )
        for robot in robots:
            names = await self.connection.fetchrow("SELECT * FROM pgqueuer.channels($1, $2)", self.queue, robot)
            await self.connection.add_listener(names["robot"], lambda *_, robot=robot: self.told.update([robot]))
        await self.connection.add_listener(names["queue"], lambda *_: self.told.update([None]))
        await self.connection.add_listener("the_end", lambda *_: setattr(self, "_ended", True))
        await self.connection.fetchval("SELECT pgqueuer.wait_for_jobs($1)", self.queue)

    async def announce(self, jobs: int, announcer: asyncpg.Connection) -> int:
        """Announce jobs and return the fleet's size, when everything that was said has arrived."""
        self.told.clear()
        self._ended = False
        fleet = await announcer.fetchval("SELECT pgqueuer.announce_jobs($1, $2)", [self.queue], [jobs])
        await announcer.execute("NOTIFY the_end")
        await eventually(lambda: self._ended, why="what was said has arrived")
        return int(fleet)


@pytest.fixture
async def ears(database_url: str, config: QueueConfig, producer: object) -> AsyncIterator[Ears]:
    connection = await asyncpg.connect(database_url)
    yield Ears(connection, config.queue_name)
    await connection.close()


async def test_a_few_robots_of_a_large_fleet_are_told_each_by_name(ears, connection):
    robots = [uuid4() for _ in range(100)]
    await ears.listen_as(robots)
    meant: Counter[UUID | None] = Counter()
    for _ in range(30):
        assert await ears.announce(1, connection) == 100
        assert None not in ears.told
        assert set(ears.told.values()) == {1}
        assert len(ears.told) == FEWEST
        meant.update(ears.told)
    assert len(meant) > 30  # by chance, and not the same ones each time


async def test_two_more_are_told_than_there_are_jobs(ears, connection):
    await ears.listen_as([uuid4() for _ in range(100)])
    await ears.announce(20, connection)
    assert len(ears.told) == 22
    await ears.announce(60, connection)
    assert ears.told == {None: 1}  # that is more than half of them


async def test_a_small_fleet_is_told_all_at_once(ears, connection):
    await ears.listen_as([uuid4() for _ in range(2 * FEWEST)])
    await ears.announce(1, connection)
    assert ears.told == {None: 1}


async def test_robots_that_were_not_seen_lately_or_serve_another_queue_are_left_out(ears, connection):
    here, gone, elsewhere = ([uuid4() for _ in range(20)] for _ in range(3))
    await ears.listen_as([*here, *gone, *elsewhere])
    await connection.execute(
        "UPDATE pgqueuer.robots SET seen_at = now() - interval '1 minute' WHERE incarnation = ANY($1)", gone
    )
    await connection.execute("UPDATE pgqueuer.robots SET queue_name = 'another' WHERE incarnation = ANY($1)", elsewhere)
    for _ in range(10):
        assert await ears.announce(1, connection) == 20
        assert len(ears.told) == FEWEST
        assert set(ears.told) <= set(here)
