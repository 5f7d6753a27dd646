"""What is done to all jobs that match: cancelled, retried, given another priority; a dry run first."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    InvalidFilter,
    JobFilter,
    JobModel,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.helpers import contents, jobs
from tests.infrastructure.workplace import bury
from tests.waiting import eventually

CLAIM = "SELECT id FROM pgqueuer.claim_jobs($1, 10, 'r', $2, 1, '{}', 30, true, $3, $4, $5) WHERE id IS NOT NULL"


async def test_what_names_nothing_is_refused_and_changes_nothing(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(1, 2))
    before = await contents(connection)
    nothing = JobFilter()
    for verb, call in {
        "cancel": producer.cancel_jobs(nothing),
        "retry": producer.retry_jobs(nothing),
        "reprioritise": producer.set_priority(nothing, 3),
        "redrive": producer.redrive_dead_letters(nothing),
        "resolve": producer.resolve_dead_letters(nothing, "done"),
        "assign": producer.assign_dead_letters(nothing, "ann"),
        "purge": producer.purge_dead_letters(nothing),
    }.items():
        with pytest.raises(InvalidFilter, match=rf"say what to {verb}, for example JobFilter\(queue_name="):
            await call
    with pytest.raises(InvalidFilter):
        await producer.cancel_jobs(None)  # type: ignore[arg-type] # what a caller might do
    for sql in (
        *("cancel_jobs($1)", "retry_jobs($1)", "set_priority($1, 3)", "redrive_dead_letters($1)"),
        *("resolve_dead_letters($1, 'c')", "assign_dead_letters($1, 'a')", "purge_dead_letters($1)"),
    ):
        for empty in ("{}", '{"status": null}', None):
            with pytest.raises(asyncpg.PostgresError, match="the filter must name something") as refusal:
                await connection.fetch(f"SELECT * FROM pgqueuer.{sql}", empty)
            assert refusal.value.sqlstate == "CR004"
    assert (await producer.cancel_jobs(JobFilter(ids=[]))).count == 0
    assert await contents(connection) == before


@pytest.mark.parametrize("act", ["retry_jobs", "redrive_dead_letters", "redrive_jobs"])
async def test_robots_hear_of_what_is_ready_again_once_for_all_of_it(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, act: str
) -> None:
    dead = await bury(config, "e", "e")
    said: list[str] = []
    await connection.execute("SET search_path = pgqueuer")
    channel = await connection.fetchval("SELECT queue_channel($1)", config.queue_name)
    await connection.add_listener(channel, lambda *message: said.append(message[-1]))
    await getattr(producer, act)(dead if act == "redrive_jobs" else JobFilter(ids=dead))
    await eventually(lambda: said)
    assert [text.partition(":")[0] for text in said] == ["2"]
    await connection.reset()


async def test_a_job_that_comes_into_a_route_below_a_robots_floor_is_found(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    early = await producer.enqueue_job(JobModel(workflow="w"))
    await producer.enqueue_job(JobModel(workflow="w", priority=9))
    route, place = await connection.fetchrow("SELECT route_id, seq FROM pgqueuer.jobs WHERE priority = 9")
    await connection.execute("SELECT pgqueuer.cancel_job(id) FROM pgqueuer.jobs WHERE priority = 9")
    assert (await producer.set_priority(JobFilter(ids=[early]), 9)).count == 1
    floors = [config.queue_name, uuid4(), True, [route], [place]]
    assert await connection.fetchval("SELECT seq FROM pgqueuer.jobs") < place
    assert await connection.fetchval("SELECT route_id FROM pgqueuer.jobs") == route
    assert [row["id"] for row in await connection.fetch(CLAIM, *floors)] == [early]
