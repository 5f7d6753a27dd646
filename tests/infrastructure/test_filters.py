"""Which jobs a filter means, in lists and counts, page by page, wherever the jobs live."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    InvalidFilter,
    JobCount,
    JobFilter,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from casare_rpa.infrastructure.queue.producing import jobs as job_operations
from tests.infrastructure.helpers import id_of, jobs
from tests.infrastructure.workplace import SELECTS, all_pages, bury, one_of_each_kind


@pytest.fixture
async def scene(config: QueueConfig, producer: PgQueuerProducer) -> dict[str, UUID]:
    return await one_of_each_kind(config, producer)


async def test_ids_are_looked_up_wherever_they_are(producer: PgQueuerProducer, scene: dict[str, UUID]) -> None:
    ids = [scene["waiting"], scene["completed"], scene["business"], scene["waiting"]]
    found = await producer.list_jobs(JobFilter(ids=[*ids, uuid4()]))
    assert [id_of(job) for job in found] == sorted(set(ids), reverse=True)
    assert found.looked_at == 3


async def test_what_robots_hold_is_found_without_a_walk_over_what_waits(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(*range(500)))
    async with PgQueuerConsumer(config, robot_id="r") as robot:
        held = {id_of(job) for job in await robot.claim_jobs(2)}
        for where in (JobFilter(status=[JobStatus.CLAIMED, JobStatus.RUNNING]), JobFilter(robot="r")):
            page = await producer.list_jobs(where)
            assert {id_of(job) for job in page} == held
            assert page.looked_at == 2


@pytest.mark.parametrize("budget", [1, 2, 3, 5])
async def test_a_page_looks_at_a_bounded_number_of_rows_and_says_where_it_stopped(
    producer: PgQueuerProducer, connection: asyncpg.Connection, scene: dict[str, UUID], budget: int
) -> None:
    """Whatever the budget and the filter, going on meets every match once, in order, and looks at few rows each time."""
    for keys, expected in SELECTS:
        wanted = sorted((scene[name] for name in expected.split(", ") if name), reverse=True)
        found, after, counted, counted_after = [], None, 0, None
        for _ in range(30):
            sql = "SELECT id, resume_after, examined FROM pgqueuer.find_jobs($1, 2, $2, $3)"
            *page, note = await connection.fetch(sql, json.dumps(keys), after, budget)
            assert note["id"] is None
            assert note["examined"] <= 3 * budget
            assert len(page) <= 2
            found += [row["id"] for row in page]
            after = note["resume_after"]
            if after is None:
                break
        assert found == wanted, keys
        for _ in range(30):
            row = await connection.fetchrow(
                "SELECT * FROM pgqueuer.count_jobs($1, $2, $3)", json.dumps(keys), counted_after, budget
            )
            assert row["examined"] <= 3 * budget
            counted, counted_after = counted + row["count"], row["resume_after"]
            if counted_after is None:
                break
        assert counted == len(wanted), keys


async def test_more_ids_than_are_looked_up_at_once(producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch(jobs(*range(2500)))
    where = JobFilter(ids=ids)
    assert [id_of(job) for job in await all_pages(producer.list_jobs, where)] == sorted(ids, reverse=True)
    assert (await producer.count_jobs(where)).count == 2500
    assert (await producer.list_jobs(JobFilter(ids=[ids[7], *(uuid4() for _ in range(999))]), limit=1)).looked_at == 1


async def test_a_count_stops_after_so_many_rows_and_says_so(
    producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (10_000, 10_000, 10):
        await producer.enqueue_batch(jobs(*range(number)))
    assert await producer.count_jobs() == JobCount(count=20_010, complete=True)
    monkeypatch.setattr(job_operations, "MOST_COUNTED", 20_000)
    assert await producer.count_jobs() == JobCount(count=20_000, complete=False)


async def test_an_unknown_key_is_named_beside_those_that_there_are(connection: asyncpg.Connection) -> None:
    with pytest.raises(InvalidFilter, match='there is no filter "queue": there are ids, queue_name, status'):
        JobFilter.of(queue="q")
    for sql in (
        "find_jobs($1)",
        "count_jobs($1)",
        "find_dead_letters($1)",
        "group_dead_letters($1)",
        "cancel_jobs($1)",
    ):
        with pytest.raises(
            asyncpg.PostgresError, match='there is no filter "queue": there are ids, queue_name'
        ) as refusal:
            await connection.fetch(f"SELECT * FROM pgqueuer.{sql}", '{"queue": "q"}')
        assert refusal.value.sqlstate == "CR004"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"ids": ["x"]}, "ids"),
    ({"ids": "x"}, "ids"),
    ({"status": "LOST"}, "status"),
    ({"status": []}, "status"),
    ({"status": 7}, "status"),
    ({"queue_name": ""}, "queue_name"),
    ({"queue_name": ["q"]}, "queue_name"),
    ({"tags": []}, "tags"),
    ({"tags": "a"}, "tags"),
    ({"tags": [1]}, "tags"),
    ({"metadata": {}}, "metadata"),
    ({"metadata": []}, "metadata"),
    ({"error": ""}, "error"),
    ({"error": "x" * 1001}, "error"),
    ({"reason": "bored"}, "reason"),
    ({"since": "yesterday"}, "since"),
    ({"since": "2026-01-01T10:00:00"}, "since"),
    ({"until": {}}, "until"),
    ({"assigned_to": 1}, "assigned_to"),
    ({"ids": [str(UUID(int=0))] * 10_001}, "ids"),
    ({"tags": ["t"] * 33}, "tags"),
    ({"status": ["PENDING"] * 7}, "status"),
    ({"metadata": {"a": [1] * 100}}, "metadata may have 100 values at most"),
    ({"metadata": {"a": [[[{"b": 1}]] for _ in range(25)]}}, "metadata may have 100 values at most"),
    ({"metadata": {"a": "x" * 10_240}}, "metadata"),
    ({"since": "2030-13-45T99:99Z"}, "since"),
    ({"until": "2030-01-01T00:00+99"}, "until"),
]


async def test_values_that_cannot_be_right_are_refused_by_name(connection: asyncpg.Connection) -> None:
    for keys, name in WRONG:
        with pytest.raises(InvalidFilter, match=name):
            JobFilter.of(**keys)
        with pytest.raises(asyncpg.PostgresError, match=name) as refusal:
            await connection.fetch("SELECT * FROM pgqueuer.find_jobs($1)", json.dumps(keys))
        assert refusal.value.sqlstate == "CR004", keys
    for document in ('"x"', "[]", "7"):
        with pytest.raises(asyncpg.PostgresError, match="a filter must be a JSON object"):
            await connection.fetch("SELECT * FROM pgqueuer.find_jobs($1)", document)


async def test_as_much_metadata_as_may_be_asked_for_is_found(producer: PgQueuerProducer) -> None:
    metadata = {"a": list(range(99))}
    job_id = await producer.enqueue_job(JobModel(workflow="w", metadata=metadata | {"more": True}))
    assert [id_of(job) for job in await producer.list_jobs(JobFilter(metadata=metadata))] == [job_id]


async def test_a_page_ends_when_its_documents_come_to_16_mib(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    """However well they are compressed where they lie."""
    big = {"text": "x" * 1_000_000}
    ids = await bury(config, *map(str, range(19)))
    await connection.execute("UPDATE pgqueuer.dead_letter_queue SET payload = $1", json.dumps(big))
    for listing in (producer.list_jobs, producer.list_dead_letters):
        page = await listing(limit=1000)
        rest = await listing(limit=1000, after=page.next)
        assert (len(page), len(rest), rest.next) == (17, 2, None)
        assert [id_of(job) for job in page + rest] == ids[::-1]
    for call in ("list_jobs(p_limit => 1000)", "list_dead_letters(p_limit => 1000)"):
        assert len(await connection.fetch(f"SELECT id FROM pgqueuer.{call}")) == 17
