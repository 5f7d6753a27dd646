"""Races that need a moment between two statements of one function: the moment is made wide by a gate."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer, QueueConfig
from tests.state_machine.gate import gate
from tests.state_machine.history_checker import check_history
from tests.state_machine.operations import QUEUE, Case, claim, perform, settle
from tests.state_machine.scenes import build, state_of
from tests.state_machine.transitions import CANCELLED, READY, RUNNING
from tests.waiting import eventually

if TYPE_CHECKING:
    import asyncpg

    from tests.state_machine.bench import Bench

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _enqueue_same_in(connection: asyncpg.Connection, *queues: str) -> None:
    """Enqueue one batch: a job with the same reference in each of these queues."""
    await connection.execute(
        "SELECT enqueue_jobs($1, $2, $3, $4, $5)",
        json.dumps([{"workflow": "pay", "queue_name": queue} for queue in queues]),
        list(range(1, len(queues) + 1)),
        [uuid4() for _ in queues],
        ["{}" for _ in queues],
        ["invoice 8" for _ in queues],
    )


async def test_batches_that_take_a_reference_in_two_queues_do_not_deadlock(bench: Bench) -> None:
    async with gate(bench, "AFTER INSERT ON job_references") as closed:
        await closed.let_come(bench.first, _enqueue_same_in(bench.first, "a", "b"))
        await closed.let_come(bench.second, _enqueue_same_in(bench.second, "b", "a"), stops=False)
        await closed.open()
        one, other = await closed.gather()
    assert one is None
    assert other.sqlstate == "CR003"
    await check_history(bench.watcher)


async def test_a_reference_freed_while_it_is_looked_up_is_taken(bench: Bench) -> None:
    case = await build(bench, READY)
    async with gate(bench, "AFTER INSERT ON job_references") as closed:
        late = await closed.let_come(bench.first, perform("enqueue same reference", bench.first, case))
        assert await perform("cancel", bench.second, case) == "true"
        await closed.open()
        assert await late == "enqueued"
    await check_history(bench.watcher)
    assert await perform("enqueue same reference", bench.first, case) == "DuplicateReference"


@pytest.mark.parametrize("worked_off", [False, True])
async def test_a_first_sending_that_arrives_while_the_second_looks_is_not_doubled(
    bench: Bench, worked_off: bool
) -> None:
    case = Case(reference=None)
    async with gate(bench, "BEFORE INSERT ON jobs") as closed:
        late = await closed.let_come(bench.first, perform("enqueue again", bench.first, case))
        assert await perform("enqueue", bench.second, case) == "enqueued"
        if worked_off:
            token = await claim(bench.second, case, case.holder)
            assert await settle(bench.second, case.id, token, "completed") == "COMPLETED"
        await closed.open()
        assert await late == "enqueued"
    await check_history(bench.watcher, enqueued=[case.id])


async def test_a_first_sending_that_has_only_its_reference_yet_is_not_doubled(bench: Bench) -> None:
    case = Case()
    async with gate(bench, "BEFORE INSERT ON jobs") as closed:
        first = await closed.let_come(bench.first, perform("enqueue", bench.first, case))
        again = await closed.let_come(bench.second, perform("enqueue again", bench.second, case), stops=False)
        await closed.open()
        assert (await first, await again) == ("enqueued", "enqueued")
    await check_history(bench.watcher, enqueued=[case.id])


async def test_an_enqueue_whose_connection_breaks_while_it_is_under_way_is_done_once(bench: Bench) -> None:
    config = QueueConfig(database_url=bench.url, queue_name=QUEUE, outage_patience=10)
    async with PgQueuerProducer(config) as producer, gate(bench, "AFTER INSERT ON jobs", "casare producer") as closed:
        enqueued = asyncio.create_task(producer.enqueue_job(JobModel(workflow="pay")))
        await eventually(lambda: _waits(bench, 1))
        assert producer._pool is not None
        for holder in producer._pool._holders:
            if holder._con is not None:
                holder._con._transport.abort()
        await eventually(lambda: _waits(bench, 2))
        await closed.open()
        job_id = await enqueued
    await check_history(bench.watcher, enqueued=[job_id])


async def _waits(bench: Bench, sessions: int) -> bool:
    return await bench.waiting("casare producer") == sessions


async def test_a_cancel_that_waits_until_the_job_has_come_back_cancels_it(bench: Bench) -> None:
    case = await build(bench, RUNNING)
    transaction = bench.first.transaction()
    await transaction.start()
    assert await perform("fail for business", bench.first, case) == "FAILED"
    assert await perform("redrive", bench.first, case) == "redriven"
    cancelled = asyncio.create_task(perform("cancel", bench.second, case))
    assert await bench.waits_for(bench.second, cancelled)
    await transaction.commit()
    assert await cancelled == "true"
    assert state_of(case, await bench.dump(), await bench.now()) is CANCELLED
    await check_history(bench.watcher, enqueued=[case.id])


async def test_settlements_of_the_same_jobs_in_two_batches_do_not_deadlock(bench: Bench) -> None:
    low, high = sorted([Case(reference=None), Case(reference=None)], key=lambda case: case.id.int)
    tokens: dict[UUID, UUID] = {}
    for case in (low, high):
        await perform("enqueue", bench.helper, case)
        tokens[case.id] = await claim(bench.helper, case, case.holder) or uuid4()

    async def settle_both(connection: asyncpg.Connection, outcomes: dict[UUID, str]) -> list[asyncpg.Record]:
        ids = list(outcomes)
        rows: list[asyncpg.Record] = await connection.fetch(
            "SELECT * FROM settle_jobs($1, $2, $3)", ids, [tokens[i] for i in ids], list(outcomes.values())
        )
        return rows

    async with gate(bench, "AFTER DELETE ON jobs") as closed:
        await closed.let_come(bench.first, settle_both(bench.first, {high.id: "completed", low.id: "failed"}))
        released = {high.id: "released", low.id: "released"}
        await closed.let_come(bench.second, settle_both(bench.second, released), stops=False)
        await closed.open()
        one, other = await closed.gather()
    assert [row["status"] for row in one] == ["PENDING"]
    assert [row["status"] for row in other] == [None, None]
    await check_history(bench.watcher, enqueued=tokens)
