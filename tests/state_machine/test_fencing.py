"""A robot that lost its lease changes nothing, whatever it still believes and however it asks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer, QueueConfig
from tests.state_machine import frozen_robot
from tests.state_machine.history_checker import check_history
from tests.state_machine.operations import QUEUE, Case, claim, heartbeat, perform, settle, start
from tests.state_machine.scenes import build
from tests.state_machine.transitions import CLAIMED, RUNNING
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.state_machine.bench import Bench

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS = ("start", "completed", "failed", "business", "released", "heartbeat")


async def _call(bench: Bench, call: str, job_id: UUID | None, token: UUID | None) -> str:
    if call == "start":
        return await start(bench.first, job_id, token)
    if call == "heartbeat":
        return await heartbeat(bench.first, uuid4(), {job_id: token}, 1000)
    return await settle(bench.first, job_id, token, call)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", [CLAIMED, RUNNING], ids=lambda state: state.name)
async def test_a_wrong_token_changes_nothing(bench: Bench, state: Any, call: str) -> None:
    case = await build(bench, state)
    neighbour = Case(reference=None)
    await perform("enqueue", bench.helper, neighbour)
    neighbour.token = await claim(bench.helper, neighbour, neighbour.holder) or uuid4()
    before = await bench.dump()
    wrong: dict[str, tuple[UUID | None, UUID | None]] = {
        "a token of another job": (case.id, neighbour.token),
        "its token for another job": (neighbour.id, case.token),
        "its token for no known job": (uuid4(), case.token),
        "its token for no job": (None, case.token),
        "a token that was never given out": (case.id, uuid4()),
        "no token": (case.id, None),
        "the job's id as its token": (case.id, case.id),
    }
    if call != "released":
        wrong["a token of its attempt before, which was released"] = (case.id, case.ended_token)

    answers = {name: await _call(bench, call, *lease) for name, lease in wrong.items()}

    assert set(answers.values()) == {"lost" if call == "heartbeat" else "LeaseLost"}, answers
    assert await bench.dump() == before


@pytest.mark.parametrize("call", CALLS)
async def test_a_token_whose_lease_ran_out_and_was_taken_changes_nothing(bench: Bench, call: str) -> None:
    case = await build(bench, RUNNING, ("lease ran out",))
    await perform("upkeep", bench.first, case)
    waiting = await bench.dump()
    assert await _call(bench, call, case.id, case.token) == ("lost" if call == "heartbeat" else "LeaseLost")
    assert await bench.dump() == waiting

    other = await claim(bench.second, case, case.other, start=True)
    held = await bench.dump()
    assert await _call(bench, call, case.id, case.token) == ("lost" if call == "heartbeat" else "LeaseLost")
    assert await bench.dump() == held

    assert await settle(bench.second, case.id, other, "completed") == "COMPLETED"
    done = await bench.dump()
    assert await _call(bench, call, case.id, case.token) == ("lost" if call == "heartbeat" else "LeaseLost")
    assert await bench.dump() == done


@pytest.mark.parametrize("call", CALLS)
async def test_a_lease_that_ran_out_but_was_not_taken_still_holds(bench: Bench, call: str) -> None:
    case = await build(bench, RUNNING, ("lease ran out",))
    assert await _call(bench, call, case.id, case.token) not in {"lost", "LeaseLost"}


async def test_a_wrong_token_in_a_batch_leaves_the_right_ones_alone(bench: Bench) -> None:
    case = await build(bench, RUNNING)
    neighbour = Case(reference=None)
    await perform("enqueue", bench.helper, neighbour)
    assert await claim(bench.helper, neighbour, neighbour.holder)
    rows = await bench.first.fetch(
        "SELECT * FROM settle_jobs($1, $2, $3)",
        [neighbour.id, case.id, neighbour.id],
        [uuid4(), case.token, case.token],
        ["completed", "completed", "failed"],
    )
    assert [tuple(row) for row in sorted(rows)] == [(1, None), (3, None)]
    dumped = await bench.dump()
    assert [row["id"] for row in dumped["jobs"]] == [str(neighbour.id)]
    assert [row["id"] for row in dumped["job_history"]] == [str(case.id)]
    await check_history(bench.watcher, enqueued=[case.id, neighbour.id])


@pytest.mark.skipif(sys.platform == "win32", reason="a process is frozen by a POSIX signal")
async def test_a_robot_that_was_frozen_past_its_leases_changes_nothing(fresh_bench: Bench) -> None:
    bench = fresh_bench
    config = QueueConfig(database_url=bench.url, queue_name=QUEUE, visibility_timeout=60.0)
    async with PgQueuerProducer(config) as producer, PgQueuerConsumer(config, robot_id="awake") as awake:
        ids = await producer.enqueue_batch([JobModel(workflow="pay", reference=f"invoice {n}") for n in range(4)])
        frozen = await asyncio.create_subprocess_exec(
            *(sys.executable, frozen_robot.__file__, bench.url, QUEUE, str(len(ids))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert frozen.stdin is not None
        assert frozen.stdout is not None
        try:
            assert await frozen.stdout.readline() == b"holds 4\n"
            os.kill(frozen.pid, signal.SIGSTOP)

            taken: dict[UUID | None, JobModel] = {}

            async def took_all() -> bool:
                taken.update({job.id: job for job in await awake.claim_jobs(len(ids))})
                return len(taken) == len(ids)

            await eventually(took_all)
            completed, failed, released, running = (taken[job_id] for job_id in ids)
            await awake.complete_job(completed, {"by": "the one awake"})
            await awake.fail_job(failed, "bad data", business=True)
            await awake.release_job(released)
            await awake.start_job(running)
            before = await bench.dump()

            os.kill(frozen.pid, signal.SIGCONT)
            said, _ = await frozen.communicate(b"go\n")
        finally:
            if frozen.returncode is None:
                frozen.kill()
                await frozen.wait()

        lines = said.decode().splitlines()
        assert len(lines) == len(ids) * 5
        assert [line for line in lines if not line.endswith(": LeaseLost")] == []
        assert await bench.dump() == before
        await check_history(bench.watcher, enqueued=ids)
