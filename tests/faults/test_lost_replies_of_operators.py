"""What an operator does is done once and answered truthfully, also when the reply is lost and the call is sent again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.infrastructure.queue import (
    BulkResult,
    JobFilter,
    JobModel,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
)
from tests.infrastructure.workplace import bury
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    import asyncpg

    from tests.faults.proxy import Proxy

WHERE = JobFilter(workflow="w")
OLD, NEW = {"n": 1}, {"n": 2}


@dataclass(frozen=True)
class Act:
    """A call, the function of the schema that it comes down to, the action that it leaves, and whether it is about letters."""

    function: str
    action: str
    call: Callable[[PgQueuerProducer, list[UUID]], Awaitable[Any]]
    letters: bool = True


LETTERS = {
    "redrive one": Act("redrive_jobs_once", "redriven", lambda p, ids: p.redrive_jobs(ids[:1])),
    "redrive many": Act("redrive_jobs_once", "redriven", lambda p, ids: p.redrive_jobs(ids)),
    "redrive all that match": Act("redrive_dead_letters", "redriven", lambda p, _: p.redrive_dead_letters(WHERE)),
    "retry": Act("retry_jobs", "redriven", lambda p, _: p.retry_jobs(WHERE)),
    "resolve": Act("resolve_dead_letters", "resolved", lambda p, _: p.resolve_dead_letters(WHERE, "done by hand")),
    "assign": Act("assign_dead_letters", "assigned", lambda p, _: p.assign_dead_letters(WHERE, "ann")),
    "comment": Act("comment_job", "commented", lambda p, ids: p.comment_job(ids[0], "who knows this form?")),
    "edit": Act("edit_payload", "edited", lambda p, ids: p.edit_payload(ids[0], NEW, comment="asked them")),
}
WAITING = {
    "cancel one": Act("cancel_job_once", "cancelled", lambda p, ids: p.cancel_job(ids[0]), letters=False),
    "cancel many": Act("cancel_jobs", "cancelled", lambda p, _: p.cancel_jobs(WHERE), letters=False),
    "set the priority": Act("set_priority", "prioritised", lambda p, _: p.set_priority(WHERE, 9), letters=False),
}
ACTS = pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in (LETTERS | WAITING).items()])


@pytest.fixture
async def far_producer(through_proxy: QueueConfig) -> AsyncIterator[PgQueuerProducer]:
    async with PgQueuerProducer(through_proxy) as opened:
        yield opened


async def make_jobs(config: QueueConfig, producer: PgQueuerProducer, act: Act) -> list[UUID]:
    if act.letters:
        return await bury(config, "e", "e", payload=OLD)
    return await producer.enqueue_batch([JobModel(workflow="w", payload=OLD) for _ in range(2)])


async def is_done_once_and_said(producer: PgQueuerProducer, act: Act, ids: list[UUID], answer: Any) -> None:
    """Fail unless each job has one action, and the answer names those that have one."""
    actions = {job_id: await producer.get_actions(job_id) for job_id in ids}
    done = {job_id for job_id, found in actions.items() if found}
    assert done, "nothing was done"
    for job_id in done:
        assert [action.action for action in actions[job_id]] == [act.action]
    match answer:
        case BulkResult():
            assert (answer.count, set(answer.ids), len(answer.ids)) == (2, done, 2)
        case list():
            assert sorted(answer) == sorted(done)
        case _:
            assert answer is (True if act.action == "cancelled" else None)
            assert done == {ids[0]}
    if act.action == "edited":
        assert actions[ids[0]][0].detail == {"payload": OLD}
        assert (await producer.get_job(ids[0])).payload == NEW


@ACTS
async def test_a_call_whose_reply_is_lost_is_done_once_and_answered_as_the_first_time(
    proxy: Proxy, far_producer: PgQueuerProducer, producer: PgQueuerProducer, config: QueueConfig, act: Act
) -> None:
    ids = await make_jobs(config, producer, act)
    loss = proxy.lose_reply(act.function)
    answer = await act.call(far_producer, ids)

    assert loss.happened.is_set()
    await is_done_once_and_said(producer, act, ids, answer)


@ACTS
async def test_a_call_that_is_sent_again_while_it_is_still_under_way_waits_for_itself(
    proxy: Proxy,
    far_producer: PgQueuerProducer,
    producer: PgQueuerProducer,
    config: QueueConfig,
    connection: asyncpg.Connection,
    act: Act,
) -> None:
    ids = await make_jobs(config, producer, act)

    async def stand_still(calls: int) -> None:
        count = """SELECT count(*) = $1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                    WHERE d.datname = current_database() AND NOT l.granted"""
        await eventually(lambda: connection.fetchval(count, calls), why=f"{calls} calls wait")

    async with connection.transaction():
        await connection.execute("LOCK TABLE pgqueuer.job_actions IN EXCLUSIVE MODE")
        calling = asyncio.ensure_future(act.call(far_producer, ids))
        await stand_still(1)
        proxy.cut()
        await stand_still(2)

    await is_done_once_and_said(producer, act, ids, await calling)


@pytest.mark.parametrize("name", ["redrive one", "redrive many", "redrive all that match", "retry"])
async def test_a_letter_that_died_again_before_the_redrive_was_sent_again_stays_dead(
    proxy: Proxy, far_producer: PgQueuerProducer, producer: PgQueuerProducer, config: QueueConfig, name: str
) -> None:
    act = LETTERS[name]
    ids = await bury(config, "e", "e")
    loss = proxy.lose_reply(act.function, cut=False)
    redriving = asyncio.ensure_future(act.call(far_producer, ids))
    await loss.happened.wait()
    async with PgQueuerConsumer(config, "near robot") as near:
        for job in await near.claim_jobs(2):
            await near.fail_job(job, "again", business=True)
    proxy.cut()

    await is_done_once_and_said(producer, act, ids, await redriving)
    assert {job.id for job in await producer.list_dead_letters()} == set(ids)


async def test_a_redriven_job_that_was_cancelled_since_is_still_among_those_that_were_redriven(
    proxy: Proxy, far_producer: PgQueuerProducer, producer: PgQueuerProducer, config: QueueConfig
) -> None:
    [letter] = await bury(config, "e")
    loss = proxy.lose_reply("redrive_jobs_once", cut=False)
    redriving = asyncio.create_task(far_producer.redrive_jobs([letter]))
    await loss.happened.wait()
    await producer.cancel_job(letter)
    proxy.cut()
    assert await redriving == [letter]
    assert await producer.get_job_status(letter) is JobStatus.CANCELLED


async def test_an_edit_is_answered_as_done_also_when_somebody_has_redriven_the_letter_since(
    proxy: Proxy, far_producer: PgQueuerProducer, producer: PgQueuerProducer, config: QueueConfig
) -> None:
    [letter] = await bury(config, "e", payload=OLD)
    loss = proxy.lose_reply("edit_payload", cut=False)
    editing = asyncio.create_task(far_producer.edit_payload(letter, NEW))
    await loss.happened.wait()
    await producer.redrive_jobs([letter])
    proxy.cut()
    await editing
    assert [action.action for action in await producer.get_actions(letter)] == ["edited", "redriven"]


async def test_pages_go_on_below_one_whose_reply_was_lost(
    proxy: Proxy, far_producer: PgQueuerProducer, producer: PgQueuerProducer
) -> None:
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(1100)])
    losses = [proxy.lose_reply("cancel_jobs"), proxy.lose_reply("cancel_jobs")]
    assert (await far_producer.cancel_jobs(WHERE)).count == 1100
    assert all(loss.happened.is_set() for loss in losses)
    assert (await producer.count_jobs(JobFilter(status=JobStatus.CANCELLED))).count == 1100


async def test_the_same_call_made_twice_is_two_calls(producer: PgQueuerProducer, config: QueueConfig) -> None:
    [letter] = await bury(config, "e")
    for _ in range(2):
        await producer.comment_job(letter, "hm")
    assert [action.action for action in await producer.get_actions(letter)] == ["commented"] * 2


async def test_a_purge_whose_reply_is_lost_has_removed_what_it_does_not_count(
    proxy: Proxy, far_producer: PgQueuerProducer, producer: PgQueuerProducer, config: QueueConfig
) -> None:
    await bury(config, "e", "e")
    loss = proxy.lose_reply("purge_dead_letters")
    assert (await far_producer.purge_dead_letters(WHERE)).count == 0
    assert loss.happened.is_set()
    assert await producer.list_dead_letters() == []
