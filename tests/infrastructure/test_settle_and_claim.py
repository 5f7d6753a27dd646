"""Settling and claiming in one call, as a robot's login makes it: either both happen or neither does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobModel, JobStatus
from tests.infrastructure.helpers import contents, jobs
from tests.rights.logins import Logins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig

CALL = "SELECT * FROM pgqueuer.settle_and_claim($1, $2, $3, $4, $5, '{}', $6, true, true, '{}', '{}', $7, $8, $9, $10, $11, $12)"
LIMIT = 1_048_576
ROBOT = uuid4()


@pytest.fixture
async def logins(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[Logins]:
    async with Logins(connection, database_url) as made:
        yield made


@pytest.fixture
async def robot(logins: Logins, config: QueueConfig) -> Robot:
    return Robot(await (await logins.make("robot")).connect(), config.queue_name)


class Lease(NamedTuple):
    """What a robot holds of a job."""

    id: UUID
    token: UUID
    n: int


class Answer(NamedTuple):
    """What a call was answered: what did not complete, number and status; the jobs, in order; the last row."""

    settled: list[tuple[int, str | None]]
    claimed: list[Lease]
    note: asyncpg.Record


class Robot:
    """Makes the call."""

    def __init__(self, connection: asyncpg.Connection, queue: str) -> None:
        self.connection = connection
        self.queue = queue

    async def call(
        self,
        limit: int = 10,
        settle: Sequence[Lease] | None = None,
        outcomes: Sequence[str] | None = None,
        *,
        results: Sequence[Any] | None = None,
        errors: Sequence[str | None] | None = None,
        queue: str | None = None,
        visibility: float = 30.0,
        name: str = "robot-1",
    ) -> Answer:
        leases = None if settle is None else ([lease.id for lease in settle], [lease.token for lease in settle])
        rows = await self.connection.fetch(
            CALL,
            *(queue or self.queue, limit, name, ROBOT, 1, visibility),
            *(leases or (None, None)),
            outcomes,
            None if results is None else [None if each is None else json.dumps(each) for each in results],
            errors,
            None if outcomes is None else [0.0] * len(outcomes),
        )
        *rows, note = rows
        assert note["claimed_at"] is not None
        assert note["id"] is note["ordinal"] is None
        settled = [(row["ordinal"], row["status"]) for row in rows if row["id"] is None]
        claimed = [row for row in rows if row["id"] is not None]
        assert [row["ordinal"] is not None for row in rows] == [True] * len(settled) + [False] * len(claimed)
        claimed.sort(key=lambda row: (-row["priority"], row["seq"]))
        return Answer(
            settled, [Lease(row["id"], row["lease_token"], json.loads(row["payload"])["n"]) for row in claimed], note
        )


async def test_only_a_robots_login_may_call_it(logins: Logins, config: QueueConfig) -> None:
    for role in ("producer", "viewer", "publisher", None):
        stranger = Robot(await (await logins.make(role)).connect(), config.queue_name)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stranger.call()


async def test_what_it_is_made_of_is_not_to_be_called(robot: Robot) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="complete_jobs"):
        await robot.connection.fetch("SELECT pgqueuer.complete_jobs('{}', '{}', NULL, now(), false)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="lock_ready_jobs"):
        await robot.connection.fetch("SELECT pgqueuer.lock_ready_jobs('{}', '{}', '{}', 1)")


async def test_nothing_to_settle_is_a_claim(robot: Robot, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch(jobs(1, 2, 3))
    answer = await robot.call(2)
    assert (answer.settled, [lease.n for lease in answer.claimed]) == ([], [1, 2])
    assert answer.note["request_xid"] >= answer.note["oldest_xid"]
    assert answer.note["next_due"] is None
    answer = await robot.call(2, [])
    assert (answer.settled, [lease.n for lease in answer.claimed]) == ([], [3])
    answer = await robot.call(2)
    assert (answer.settled, answer.claimed, answer.note["request_xid"]) == ([], [], None)


async def test_all_completed_without_outcomes(robot: Robot, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch(jobs(1, 2, 3, 4))
    held = (await robot.call(2)).claimed
    answer = await robot.call(5, held, results=[{"total": 12}, None])
    assert (answer.settled, [lease.n for lease in answer.claimed]) == ([], [3, 4])
    first, second = [await producer.get_job(job_id) for job_id in ids[:2]]
    assert (first.status, first.result, first.attempt) == (JobStatus.COMPLETED, {"total": 12}, 1)
    assert (second.status, second.result) == (JobStatus.COMPLETED, None)
    assert [await producer.get_job_status(job_id) for job_id in ids[2:]] == [JobStatus.RUNNING] * 2


async def test_mixed_outcomes_are_answered_by_their_numbers(robot: Robot, producer: PgQueuerProducer) -> None:
    await producer.enqueue_batch(jobs(1, 2, 3, 4, 5, max_retries=2))
    held = (await robot.call(4)).claimed
    order = [held[2], held[0], held[3], held[1]]  # in no order of ids
    outcomes = ["failed", "completed", "business", "released"]

    answer = await robot.call(
        1, order, outcomes, errors=["slow", None, "bad data", None], results=[None, 7, None, None]
    )

    assert sorted(answer.settled) == [(1, "PENDING"), (3, "FAILED"), (4, "PENDING")]
    assert [lease.id for lease in answer.claimed] == [held[1].id], "what it gave back keeps its place and comes first"
    found = [await producer.get_job(lease.id) for lease in order]
    assert [(job.status, job.attempt, job.error, job.result) for job in found] == [
        (JobStatus.PENDING, 1, "slow", None),
        (JobStatus.COMPLETED, 1, None, 7),
        (JobStatus.FAILED, 1, "bad data", None),
        (JobStatus.RUNNING, 1, None, None),
    ]


async def test_a_lost_lease_in_between_changes_nothing_and_is_told(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(1, 2, 3, 4, 5))
    held = (await robot.call(4)).claimed
    stolen = held[1]._replace(token=uuid4())
    unknown = Lease(uuid4(), uuid4(), 0)
    before = await connection.fetchrow("SELECT * FROM pgqueuer.jobs WHERE id = $1", stolen.id)

    answer = await robot.call(10, [held[0], stolen, held[2], unknown])

    assert sorted(answer.settled) == [(2, None), (4, None)]
    assert [lease.n for lease in answer.claimed] == [5]
    assert await connection.fetchrow("SELECT * FROM pgqueuer.jobs WHERE id = $1", stolen.id) == before
    assert [await producer.get_job_status(held[n].id) for n in (0, 2)] == [JobStatus.COMPLETED] * 2
    answer = await robot.call(10, [stolen, held[3], unknown], ["completed", "released", "failed"])
    assert sorted(answer.settled) == [(1, None), (2, "PENDING"), (3, None)]
    assert [lease.n for lease in answer.claimed] == [4]


@pytest.mark.parametrize("outcomes", [None, ["completed"] * 3, ["completed", "failed", "business"]])
async def test_a_settlement_that_is_sent_again_is_answered_as_the_first_time(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection, outcomes: list[str] | None
) -> None:
    await producer.enqueue_batch(jobs(1, 2, 3, 4))
    held = (await robot.call(3)).claimed
    first = await robot.call(1, held, outcomes, errors=["slow", "slow", "slow"])
    assert len(first.claimed) == 1
    ended = {table: rows for table, rows in (await contents(connection)).items() if table != "jobs"}

    again = await robot.call(10, held, outcomes, errors=["slow", "slow", "slow"])

    assert sorted(again.settled) == sorted(first.settled)
    assert {table: rows for table, rows in (await contents(connection)).items() if table != "jobs"} == ended
    for lease in again.claimed:
        assert lease.n == 2, "only what was to be tried again is there"


async def test_the_same_lease_twice_completes_once(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(1))
    [held] = (await robot.call()).claimed
    answer = await robot.call(1, [held, held])
    assert (answer.settled, answer.claimed) == ([], [])
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_history") == 1


@pytest.mark.parametrize("outcomes", [None, ["completed", "completed"], ["released", "completed"]])
async def test_a_result_over_the_limit_neither_settles_nor_claims(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection, outcomes: list[str] | None
) -> None:
    await producer.enqueue_batch(jobs(1, 2, 3))
    held = (await robot.call(2)).claimed
    before = await contents(connection)
    for result, fault in (
        ("x" * (LIMIT - 1), f"a result has {LIMIT + 1} bytes, more than the limit of {LIMIT}"),
        (json.loads("[" * 65 + "]" * 65), "a result is nested deeper than 64 levels"),
    ):
        with pytest.raises(asyncpg.PostgresError, match=fault) as refused:
            await robot.call(10, held, outcomes, results=[None, result])
        assert refused.value.sqlstate == "CR004"
    assert await contents(connection) == before

    answer = await robot.call(10, held, outcomes, results=[None, "x" * (LIMIT - 2)])
    assert answer.settled == ([(1, "PENDING")] if outcomes and outcomes[0] == "released" else [])
    assert 3 in [lease.n for lease in answer.claimed]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"limit": 0}, "a claim is for 1 to 10000 jobs"),
        ({"limit": 10_001}, "a claim is for 1 to 10000 jobs"),
        ({"visibility": 0.0}, "a visibility timeout of 0.1 to 1000000 seconds"),
        ({"name": ""}, "a name of 1 to 200 characters"),
        ({"outcomes": ["done", "completed"]}, 'an attempt ends completed, failed, business or released, not "done"'),
        ({"outcomes": ["completed"]}, "an attempt ends completed, failed, business or released"),
    ],
)
async def test_arguments_that_cannot_be_neither_settle_nor_claim(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection, arguments: dict[str, Any], fault: str
) -> None:
    await producer.enqueue_batch(jobs(1, 2, 3))
    held = (await robot.call(2)).claimed
    before = await contents(connection)
    with pytest.raises(asyncpg.PostgresError, match=fault) as refused:
        await robot.call(settle=held, **arguments)
    assert refused.value.sqlstate == "CR004"
    assert await contents(connection) == before


async def test_a_queue_that_is_not_the_logins_neither_settles_nor_claims(
    logins: Logins, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch([*jobs(1, queue_name="mine"), *jobs(2, queue_name="theirs")])
    bound = Robot(await (await logins.make("robot", queues=["mine"])).connect(), "mine")
    held = (await bound.call()).claimed
    before = await contents(connection)
    with pytest.raises(asyncpg.PostgresError, match='may not use the queue "theirs"') as refused:
        await bound.call(10, held, queue="theirs")
    assert refused.value.sqlstate == "CR005"
    assert await contents(connection) == before


async def test_a_tenants_robot_gets_its_own_and_settles_by_token_only(
    logins: Logins, robot: Robot, producer: PgQueuerProducer
) -> None:
    theirs, mine = await producer.enqueue_batch(
        [*jobs(1, tenant_id="globex", priority=9), *jobs(2, tenant_id="acme", priority=5)]
    )
    [other] = (await robot.call(1)).claimed
    assert other.id == theirs
    bound = Robot(await (await logins.make("robot", tenant="acme")).connect(), robot.queue)
    answer = await bound.call(10, [other._replace(token=uuid4())])
    assert (answer.settled, [lease.id for lease in answer.claimed]) == ([(1, None)], [mine])
    assert await producer.get_job_status(theirs) is JobStatus.RUNNING


async def test_a_paused_queue_settles_and_gives_nothing(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(1, 2))
    held = (await robot.call(1)).claimed
    await connection.execute("SELECT pgqueuer.pause_queue($1)", robot.queue)
    answer = await robot.call(10, held)
    assert (answer.settled, answer.claimed) == ([], [])
    assert await producer.get_job_status(held[0].id) is JobStatus.COMPLETED


async def test_when_the_next_job_is_due_is_told_beside_what_was_settled(
    robot: Robot, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_batch(jobs(1))
    due = await connection.fetchval("SELECT now() + interval '1 hour'")
    await producer.enqueue_job(JobModel(workflow="w", payload={"n": 2}, run_at=due))
    held = (await robot.call(1)).claimed
    assert (await robot.call(1, held)).note["next_due"] == due


async def test_claim_jobs_gives_the_same_to_programs_in_other_languages(
    robot: Robot, producer: PgQueuerProducer, config: QueueConfig
) -> None:
    await producer.enqueue_batch(jobs(1, 2, priority=7, reference=None, tags=["a"]))
    claim = "SELECT * FROM pgqueuer.claim_jobs($1, $2, 'r', $3, 1, '{}', 30, $4)"
    [started] = await robot.connection.fetch(claim, config.queue_name, 1, ROBOT, True)
    rows = await robot.connection.fetch(claim, config.queue_name, 5, ROBOT, False)
    [held] = [row for row in rows if row["id"]]
    [note] = [row for row in rows if not row["id"]]
    assert (started["status"], held["status"]) == ("RUNNING", "CLAIMED")
    assert (started["started_at"], held["started_at"]) == (started["claimed_at"], None)
    for row in (started, held):
        assert (row["queue_name"], row["priority"], row["tags"]) == (config.queue_name, 7, ["a"])
        assert (row["lease_expires_at"] - row["claimed_at"]).total_seconds() == row["lease_seconds"] == 30
        found = await producer.get_job(row["id"])
        assert (found.claimed_at, found.lease_expires_at) == (row["claimed_at"], row["lease_expires_at"])
        assert row["request_xid"] >= row["oldest_xid"]
    assert note["run_at"] is None
    settle = "SELECT * FROM pgqueuer.settle_jobs($1, $2, '{completed}')"
    assert await robot.connection.fetch(settle, [started["id"]], [started["lease_token"]]) == []
