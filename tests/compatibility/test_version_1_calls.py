"""A fleet is never updated at once: programs of version 1 go on working on today's schema, with the rights that they had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.compatibility.recorded import CALLS, OldProgram, claimed, found
from tests.rights.logins import Logins
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUEUE = "casare_rpa_jobs"
ROBOT = uuid4()
LIMITS = {"max_retries": 2, "retry_delay": 0.0}


@pytest.fixture
async def logins(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[Logins]:
    async with Logins(connection, database_url) as made:
        yield made


@pytest.fixture
async def producer(logins: Logins) -> OldProgram:
    return OldProgram(await (await logins.make("producer")).connect())


@pytest.fixture
async def robot(logins: Logins) -> OldProgram:
    return OldProgram(await (await logins.make("robot")).connect())


@pytest.fixture
def administrator(connection: asyncpg.Connection) -> OldProgram:
    return OldProgram(connection)


def batch(*ids: UUID, references: list[str] | None = None, **template: Any) -> tuple[Any, ...]:
    """Return the arguments of `enqueue`."""
    templates = json.dumps([{"workflow": "w", "queue_name": QUEUE, **LIMITS, **template}])
    payloads = [json.dumps({"n": n}) for n in range(len(ids))]
    return templates, [1] * len(ids), list(ids), payloads, references, None, False, False, False


def claim(limit: int, request: int, *, start: bool = False) -> tuple[Any, ...]:
    """Return the arguments of `claim`."""
    return QUEUE, limit, "robot-1", ROBOT, request, "{}", 30.0, start, True, [], []


def settle(rows: list[asyncpg.Record], outcome: str, error: str | None = None) -> tuple[Any, ...]:
    """Return the arguments of `settle`."""
    ids, tokens = [row["id"] for row in rows], [row["lease_token"] for row in rows]
    return ids, tokens, [outcome] * len(ids), None, [error] * len(ids), None, True


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_takes_and_gives_what_it_did(connection: asyncpg.Connection, name: str) -> None:
    statement = await connection.prepare(CALLS[name]["sql"])
    assert ", ".join(each.name for each in statement.get_parameters()) == CALLS[name]["takes"]
    assert ", ".join(f"{each.name} {each.type.name}" for each in statement.get_attributes()) == CALLS[name]["gives"]


async def test_the_schema_says_that_it_serves_them(robot: OldProgram) -> None:
    [info] = await robot.call("schema_info")
    assert info["version"] >= 1
    assert info["oldest_program"] <= 1


async def test_a_job_lives_and_completes(producer: OldProgram, robot: OldProgram) -> None:
    first, second = uuid4(), uuid4()
    assert await producer.call("enqueue", *batch(first, second, priority=7, tags=["a"])) == []
    assert await producer.value("queue_depth", QUEUE) == 2

    [one] = await robot.call("claim", *claim(1, 1))
    assert claimed(one)["id"] == first
    [started] = await robot.call("start", [first], [one["lease_token"]])
    assert started["id"] == first
    [beat] = await robot.call("heartbeat", "robot-1", ROBOT, QUEUE, [first], [one["lease_token"]], 1, [])
    assert (beat["lost"], beat["cancelled"], beat["fleet"]) == ([], [], 1)
    rows = await robot.call("settle_and_claim", *claim(5, 2, start=True), *settle([one], "completed"))
    [other] = [row for row in rows if row["id"] is not None]
    assert (other["id"], other["status"], other["settled_ordinal"]) == (second, "RUNNING", None)
    assert await robot.call("settle", *settle([one], "completed")) == [], "the answer of the first time"
    [lost] = await robot.call("settle", [second], [uuid4()], ["completed"], None, None, None, True)
    assert (lost["ordinal"], lost["status"]) == (1, None)
    [released] = await robot.call("settle", *settle([other], "released"))
    assert released["status"] == "PENDING"

    [row] = await producer.call("find_job", first)
    assert (found(row)["status"], found(row)["claimed_by"], row["tags"], row["priority"]) == (
        "COMPLETED",
        "robot-1",
        ["a"],
        7,
    )
    assert [row["outcome"] for row in await producer.call("find_attempts", first)] == ["completed"]
    assert [row["outcome"] for row in await producer.call("find_attempts", second)] == ["released"]


async def test_a_dead_letter_comes_back(producer: OldProgram, robot: OldProgram) -> None:
    job_id = uuid4()
    await producer.call("enqueue", *batch(job_id))
    for attempt, status in ((1, "PENDING"), (2, "FAILED")):
        rows = await robot.call("claim", *claim(1, attempt, start=True))
        [settled] = await robot.call("settle", *settle(rows[:1], "failed", "no such window"))
        assert settled["status"] == status

    [letter] = await producer.call("list_dead_letters", QUEUE, "exhausted", 10)
    assert (found(letter)["id"], found(letter)["dead_letter_reason"], letter["error"]) == (
        job_id,
        "exhausted",
        "no such window",
    )
    assert [row[0] for row in await producer.call("redrive", [job_id, uuid4()])] == [job_id]
    [again] = [row for row in await robot.call("claim", *claim(5, 3)) if row["id"]]
    assert (again["id"], again["attempt"]) == (job_id, 1)


async def test_jobs_are_listed_and_cancelled(producer: OldProgram, robot: OldProgram) -> None:
    ids = sorted(uuid4() for _ in range(3))
    await producer.call("enqueue", *batch(*ids))
    newest = await producer.call("list_jobs", None, None, None, None, 2, None)
    oldest = await producer.call("list_jobs", QUEUE, "PENDING", "w", None, 2, newest[-1]["id"])
    assert [found(row)["id"] for row in [*newest, *oldest]] == ids[::-1]

    assert await producer.value("cancel", ids[0]) is True
    assert await producer.value("cancel", ids[0]) is False
    held = [row for row in await robot.call("claim", *claim(5, 1, start=True)) if row["id"]]
    assert await producer.value("cancel", held[0]["id"]) is True
    tokens = [row["lease_token"] for row in held]
    [beat] = await robot.call("heartbeat", "robot-1", ROBOT, QUEUE, [row["id"] for row in held], tokens, 1, [])
    assert beat["cancelled"] == [held[0]["id"]]
    [settled] = await robot.call("settle", *settle(held[:1], "released"))
    assert settled["status"] == "CANCELLED"


async def test_a_robot_that_waits_is_told(
    producer: OldProgram, robot: OldProgram, connection: asyncpg.Connection
) -> None:
    [channels] = await robot.call("channels", QUEUE, ROBOT)
    heard: list[str] = []
    await robot._connection.add_listener(channels["queue"], lambda _c, _pid, _channel, message: heard.append(message))
    assert await robot.value("wait_for_jobs", QUEUE) is True

    await producer.call("enqueue", *batch(uuid4()))
    assert await producer.value("announce", [QUEUE], [1]) == 0
    await eventually(lambda: [message for message in heard if message.startswith("1:")])

    assert await robot.value("stop_waiting_for_jobs", QUEUE) is True
    assert await robot.value("upkeep") > 0
    await robot._connection.reset()


async def test_a_callers_own_connection_enqueues_with_text(producer: OldProgram) -> None:
    templates, template, ids, payloads, _, run_ats, *rest = batch(uuid4())
    arguments = (templates, template, ids, payloads, ["R-1"], run_ats, *rest)
    assert await producer.call("enqueue on the caller's connection", *arguments) == []
    with pytest.raises(asyncpg.PostgresError, match='the reference "R-1" is taken') as refused:
        await producer.call("enqueue", *batch(uuid4(), references=["R-1"]))
    assert refused.value.sqlstate == "CR003"
    assert json.loads(refused.value.detail)["job_id"] == str(ids[0])


async def test_an_administrator_pauses_and_purges(
    administrator: OldProgram, producer: OldProgram, robot: OldProgram
) -> None:
    await producer.value("enqueue_job", "w", "{}", QUEUE, 5, None, None, "{}", False)
    await administrator.call("pause", QUEUE)
    assert [row["id"] for row in await robot.call("claim", *claim(1, 1))] == [None]
    await administrator.call("resume", QUEUE)
    assert await administrator.value("purge", QUEUE) == 1
    assert await producer.value("queue_depth", QUEUE) == 0
