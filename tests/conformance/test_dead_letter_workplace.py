"""Dead letters as a workplace: what failed alike together, edited, redriven, resolved, assigned, purged, and who did it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from casare_rpa.infrastructure.queue import (
    InvalidJob,
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
    NotADeadLetter,
    PgQueuerProducer,
    QueueConfig,
)
from tests.conformance.helpers import claim, crash, id_of, pass_time
from tests.conformance.workplace import bury, complete
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conformance.queues import Clock, Queue

ALL = JobFilter(status=JobStatus.FAILED)


async def actions(producer: PgQueuerProducer, job_id: UUID) -> list[tuple[str, str | None, Any]]:
    return [(done.action, done.comment, done.detail) for done in await producer.get_actions(job_id)]


async def test_in_doubt_and_quarantined_are_told_apart(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer, clock: Clock
) -> None:
    doubtful = await producer.enqueue_job(JobModel(workflow="pay", on_crash="hold"))
    await crash(queue, config)
    await pass_time(clock, 31)
    deadly = await producer.enqueue_job(JobModel(workflow="kill", max_retries=9))
    for _ in range(3):
        await crash(queue, config)
        await pass_time(clock, 31)
    groups = {group.reason: group for group in await producer.group_dead_letters()}
    assert {reason: group.example_id for reason, group in groups.items()} == {
        "in doubt": doubtful,
        "quarantined": deadly,
    }
    assert [job.id for job in await producer.list_dead_letters(JobFilter(reason="quarantined"))] == [deadly]
    assert (await producer.redrive_dead_letters(JobFilter(reason="in doubt"))).ids == [doubtful]
    assert await producer.get_job_status(deadly) is JobStatus.FAILED


async def test_a_single_letter_is_shown_as_it_is_in_the_list(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    [letter] = await bury(queue, config, "row 17 is empty")
    await producer.assign_dead_letters(ALL, "ann")
    shown = await producer.get_job(letter)
    assert [shown] == await producer.list_dead_letters()
    assert (shown.error_shape, shown.assigned_to, shown.dead_letter_reason) == ("row <n> is empty", "ann", "business")

    await producer.redrive_jobs([letter])
    shown = await producer.get_job(letter)
    assert (shown.error_shape, shown.assigned_to, shown.dead_letter_reason) == (None, None, None)


# Edit


async def test_an_edited_letter_runs_with_its_new_payload_and_the_old_one_is_kept(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    [letter] = await bury(queue, config, "no customer", payload={"customer": None}, reference="R")
    await producer.edit_payload(letter, {"customer": 7}, comment="asked them")
    assert (await producer.get_job(letter)).payload == {"customer": 7}
    await producer.redrive_jobs([letter])
    async with queue.consumer(config, robot_id="r") as robot:
        job = await claim(robot)
        assert (job.id, job.payload, job.attempt, job.reference) == (letter, {"customer": 7}, 1, "R")
        await robot.complete_job(job)
    assert await actions(producer, letter) == [
        ("edited", "asked them", {"payload": {"customer": None}}),
        ("redriven", None, None),
    ]


async def test_only_a_dead_letter_can_be_edited_and_the_error_says_what_the_job_is(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    waiting = await producer.enqueue_job(JobModel(workflow="w"))
    [completed] = await complete(queue, config, 1)
    [redriven, resolved] = await bury(queue, config, "e", "e")
    await producer.redrive_jobs([redriven])
    await producer.resolve_dead_letters(JobFilter(ids=[resolved]), "done")
    for job_id, status in (
        *((waiting, "PENDING"), (redriven, "PENDING"), (completed, "COMPLETED"), (resolved, "FAILED and closed")),
    ):
        with pytest.raises(NotADeadLetter, match=f"job {job_id} is no dead letter: it is {status}$"):
            await producer.edit_payload(job_id, {})
    for unknown in (uuid4(), "no id"):
        with pytest.raises(JobNotFound):
            await producer.edit_payload(unknown, {})


# Redrive


async def test_letters_that_match_are_redriven_after_a_dry_run(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    gone = await bury(queue, config, "order 7 is gone", "order 8 is gone")
    [other] = await bury(queue, config, "disk full")
    waiting = await producer.enqueue_job(JobModel(workflow="w"))
    where = JobFilter(shape="order <n> is gone")
    dry = await producer.redrive_dead_letters(where, dry_run=True)
    assert (dry.count, set(dry.ids), dry.dry_run) == (2, set(gone), True)
    assert {await producer.get_job_status(job_id) for job_id in gone} == {JobStatus.FAILED}
    assert set((await producer.redrive_dead_letters(where)).ids) == set(gone)
    assert {await producer.get_job_status(job_id) for job_id in gone} == {JobStatus.PENDING}
    assert await producer.get_job_status(other) is JobStatus.FAILED
    again = await producer.redrive_dead_letters(JobFilter(ids=[*gone, waiting, uuid4()]))
    assert (again.count, again.ids) == (0, [])


# Assign, comment


async def test_letters_are_assigned_and_given_back(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    first, second = await bury(queue, config, "e", "e")
    assert (await producer.assign_dead_letters(ALL, "ann", dry_run=True)).count == 2
    assert [job.assigned_to for job in await producer.list_dead_letters()] == [None, None]
    assert (await producer.assign_dead_letters(JobFilter(ids=[first]), "ann")).ids == [first]
    assert set((await producer.assign_dead_letters(ALL, "bob")).ids) == {first, second}
    assert (await producer.assign_dead_letters(ALL, "bob")).count == 0
    assert (await producer.assign_dead_letters(JobFilter(assigned_to="bob", ids=[second]), None)).ids == [second]
    assert await actions(producer, first) == [
        ("assigned", None, {"from": None, "to": "ann"}),
        ("assigned", None, {"from": "ann", "to": "bob"}),
    ]
    for nobody in ("", "x" * 201, 7, "a\x00"):
        with pytest.raises(InvalidJob, match="assigned_to"):
            await producer.assign_dead_letters(ALL, nobody)  # type: ignore[arg-type] # what a caller might do


async def test_who_is_redriven_is_no_longer_assigned(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    [letter] = await bury(queue, config, "e")
    await producer.assign_dead_letters(ALL, "ann")
    await producer.redrive_dead_letters(ALL)
    async with queue.consumer(config, robot_id="r") as robot:
        await robot.fail_job(await claim(robot), "again", business=True)
    assert [(job.id, job.assigned_to) for job in await producer.list_dead_letters()] == [(letter, None)]


async def test_a_purge_while_robots_claim_takes_dead_letters_alone(
    queue: Queue, config: QueueConfig, producer: PgQueuerProducer
) -> None:
    letters = await bury(queue, config, *["e"] * 20)
    live = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(40)])
    done: list[UUID] = []

    async def handler(job: JobModel) -> None:
        await asyncio.sleep(0)
        done.append(id_of(job))

    async with queue.consumer(config, robot_id="r") as robot:
        running = asyncio.create_task(robot.run(handler))
        purged = [await producer.purge_dead_letters(JobFilter(workflow="w")) for _ in range(5)]
        await eventually(lambda: len(done) == len(live), within=20)
        await robot.stop()
        await running
    assert set(purged[0].ids) == set(letters)
    assert [page.count for page in purged[1:]] == [0] * 4
    assert set(done) == set(live)
