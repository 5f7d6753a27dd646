"""Which jobs a filter means, in lists and counts, page by page, wherever the jobs live."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from casare_rpa.infrastructure.queue import (
    InvalidFilter,
    InvalidJob,
    JobCount,
    JobFilter,
    JobModel,
    JobStatus,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, id_of, jobs, pass_time
from tests.conformance.workplace import SELECTS, all_pages, bury, complete, one_of_each_kind

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue


@pytest.fixture
async def scene(queue: Queue, config: QueueConfig, producer: PgQueuerProducer) -> dict[str, UUID]:
    return await one_of_each_kind(queue, config, producer)


async def test_each_key_means_what_it_says(producer: PgQueuerProducer, scene: dict[str, UUID]) -> None:
    names = {job_id: name for name, job_id in scene.items()}
    for keys, expected in SELECTS:
        wanted = {name for name in expected.split(", ") if name}
        where = JobFilter.of(**keys)
        page = await producer.list_jobs(where)
        assert {names[id_of(job)] for job in page} == wanted, keys
        assert page.next is None, keys
        assert await producer.count_jobs(where) == JobCount(count=len(wanted), complete=True), keys
        dead = await producer.list_dead_letters(where)
        assert {names[id_of(job)] for job in dead} == wanted & {"business", "exhausted"}, keys
        groups = await producer.group_dead_letters(where)
        assert sum(group.count for group in groups) == len(dead), keys
        assert groups.complete, keys


async def test_times_of_creation_bound_a_list(producer: PgQueuerProducer, clock: Clock) -> None:
    ids, times = [], []
    for _ in range(3):
        ids.append(await producer.enqueue_job(JobModel(workflow="w")))
        times.append(await clock.now())
        await clock.advance(1)

    async def listed(**keys: Any) -> set[UUID]:
        return {id_of(job) for job in await producer.list_jobs(JobFilter.of(**keys))}

    assert await listed(since=times[1]) == {ids[1], ids[2]}
    assert await listed(until=times[1]) == {ids[0]}
    assert await listed(since=times[1], until=times[2]) == {ids[1]}
    assert await listed(since=times[1].astimezone(UTC).isoformat()) == {ids[1], ids[2]}
    assert await listed(since=times[2], until=times[0]) == set()


async def test_since_leaves_out_no_week_of_history_that_could_hold_a_match(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    """A job that was created in one week and ended in the next is found by the time of its creation."""
    [long_ago] = await complete(queue, config, 1)
    await pass_time(clock, 22 * 86400)
    since = await clock.now()
    waiting = await producer.enqueue_job(JobModel(workflow="w"))
    for _ in range(2):
        await pass_time(clock, 8 * 86400)
    async with queue.consumer(config, robot_id="r") as robot:
        await robot.complete_job(await claim(robot))
    assert {id_of(job) for job in await producer.list_jobs(JobFilter(since=since))} == {waiting}
    assert {id_of(job) for job in await producer.list_jobs()} == {waiting, long_ago}


async def test_the_dead_letter_of_a_list_has_what_a_dead_letter_has(
    producer: PgQueuerProducer, scene: dict[str, UUID]
) -> None:
    for listing in (producer.list_jobs, producer.list_dead_letters):
        [job] = await listing(JobFilter(ids=[scene["exhausted"]]))
        assert (job.dead_letter_reason, job.error_shape, job.assigned_to) == ("exhausted", "Order <n> is GONE", "ann")
    [job] = await producer.list_jobs(JobFilter(ids=[scene["waiting"]]))
    assert (job.dead_letter_reason, job.error_shape, job.assigned_to) == (None, None, None)


# Pages


async def test_pages_of_any_size_meet_every_job_once_newest_first(
    config: QueueConfig, producer: PgQueuerProducer, scene: dict[str, UUID]
) -> None:
    everything = sorted(scene.values(), reverse=True)
    for limit in (1, 2, 3, len(scene), 1000):
        assert [id_of(job) for job in await all_pages(producer.list_jobs, limit=limit)] == everything
    page = await producer.list_jobs(limit=len(scene))
    assert page.next is None


async def test_a_list_has_the_jobs_of_a_batch_in_reverse(producer: PgQueuerProducer) -> None:
    enqueued = await producer.enqueue_batch(jobs(*range(100)))
    enqueued += [await producer.enqueue_job(JobModel(workflow="w", payload={"n": n})) for n in range(5)]
    assert [id_of(job) for job in await producer.list_jobs(limit=1000)] == enqueued[::-1]


async def test_what_is_enqueued_meanwhile_disturbs_no_page(producer: PgQueuerProducer) -> None:
    before = await producer.enqueue_batch(jobs(*range(6)))
    page = await producer.list_jobs(limit=2)
    await producer.enqueue_batch(jobs(*range(6)))
    rest = await all_pages(
        lambda where, limit, after=None: producer.list_jobs(where, limit=limit, after=after or page.next), limit=2
    )
    assert [id_of(job) for job in [*page, *rest]] == sorted(before, reverse=True)


async def test_dead_letters_that_died_at_the_same_moment_are_each_on_one_page(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    together = await bury(queue, config, *["e"] * 5)
    await clock.advance(1)
    later = await bury(queue, config, *["e"] * 2)
    for limit in (1, 2, 3, 7):
        found = [id_of(job) for job in await all_pages(producer.list_dead_letters, limit=limit)]
        assert found == sorted(later, reverse=True) + sorted(together, reverse=True)
        named = JobFilter(queue_name=config.queue_name, ids=[*together, *later])
        assert [id_of(job) for job in await all_pages(producer.list_dead_letters, named, limit=limit)] == found


# What cannot be right


async def test_a_cursor_serves_the_list_and_the_filter_that_it_came_from(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    await bury(queue, config, "a", "b")
    of_jobs, of_letters = (await producer.list_jobs(limit=1)).next, (await producer.list_dead_letters(limit=1)).next
    assert of_jobs is not None
    for listing, cursor, complaint in [
        (producer.list_jobs, of_letters, "after: this is no cursor of a list of jobs"),
        (producer.list_dead_letters, of_jobs, "after: this is no cursor of a list of dead letters"),
        *[
            (producer.list_jobs, text, "after: this is no cursor; ")
            for text in ("", "x", "é", "e30", of_jobs[:-4], "A" * 10_000)
        ],
    ]:
        with pytest.raises(InvalidFilter, match=complaint):
            await listing(after=cursor)
    with pytest.raises(InvalidFilter, match="after: this cursor belongs to a list with another filter"):
        await producer.list_jobs(JobFilter(workflow="w"), after=of_jobs)


async def test_what_no_database_could_compare_is_refused(producer: PgQueuerProducer) -> None:
    for keys in (
        {"error": "a\x00b"},
        {"metadata": {"a": "\x00"}},
        {"queue_name": "\ud800"},
        {"metadata": {"a": float("nan")}},
    ):
        with pytest.raises(InvalidFilter, match=next(iter(keys))):
            JobFilter.of(**keys)
    with pytest.raises(InvalidFilter, match="a filter is a JobFilter, not dict"):
        await producer.list_jobs({"queue_name": "q"})  # type: ignore[arg-type] # what a caller might do
    with pytest.raises(InvalidJob, match="limit must be a whole number"):
        await producer.group_dead_letters(limit=0)


def test_a_filter_can_be_sent_as_json_and_read_again() -> None:
    now = datetime(2026, 1, 31, 8, tzinfo=UTC)
    where = JobFilter(
        ids=[UUID(int=1)],
        status=JobStatus.RUNNING,
        since=now,
        until=now + timedelta(days=1),
        metadata={"ß": [None, 1.5]},
    )
    again = JobFilter.of(**json.loads(where.to_json()))
    assert again.to_json() == where.to_json()
    assert again.statuses == where.statuses == [JobStatus.RUNNING]
    assert JobFilter().is_empty
    assert not JobFilter(ids=[]).is_empty


async def test_a_text_in_errors_is_folded_by_ascii_and_no_further(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    [job_id] = await bury(queue, config, "ÄRGER mit der Datei")
    for text, found in {"datei": True, "Ärger": True, "ärger": False, "DATEI": True}.items():
        assert [id_of(job) for job in await producer.list_jobs(JobFilter(error=text))] == [job_id] * found, text


async def test_what_is_too_much_for_a_filter_is_refused_by_name() -> None:
    for keys, name in (
        ({"metadata": {"a": [1] * 100}}, "metadata may have 100 values"),
        ({"metadata": {"a": "x" * 10_240}}, "metadata"),
        ({"tags": ["t"] * 33}, "tags"),
        ({"status": ["PENDING"] * 7}, "status"),
        ({"error": "\x00"}, "error"),
    ):
        with pytest.raises(InvalidFilter, match=name):
            JobFilter.of(**keys)
