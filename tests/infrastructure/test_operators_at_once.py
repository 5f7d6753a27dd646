"""Two operators at once: in either order each thing is done once, to what still matches when its turn has come."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import JobFilter, JobModel, JobStatus, PgQueuerProducer, QueueConfig
from tests.infrastructure.helpers import jobs
from tests.infrastructure.workplace import bury
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WORK = '{"workflow": "w"}'
LETTERS = {
    "redrive": f"SELECT id FROM pgqueuer.redrive_dead_letters('{WORK}')",
    "retry": f"SELECT id FROM pgqueuer.retry_jobs('{WORK}')",
    "redrive one": "SELECT pgqueuer.redrive_jobs($1::uuid[]) AS id",
    "resolve": f"SELECT id FROM pgqueuer.resolve_dead_letters('{WORK}', 'done')",
    "assign": f"SELECT id FROM pgqueuer.assign_dead_letters('{WORK}', 'ann')",
    "purge": f"SELECT id FROM pgqueuer.purge_dead_letters('{WORK}')",
}
"""What an operator may do with dead letters; each returns the ids that it was done to."""
TAKES_AWAY = {"redrive", "retry", "redrive one", "resolve", "purge"}
JOBS = {
    "cancel": f"SELECT id FROM pgqueuer.cancel_jobs('{WORK}')",
    "cancel what waits": 'SELECT id FROM pgqueuer.cancel_jobs(\'{"status": "PENDING"}\')',
    "raise": f"SELECT id FROM pgqueuer.set_priority('{WORK}', 9)",
    "claim": "SELECT id FROM pgqueuer.claim_jobs('casare_rpa_jobs', 10, 'r', gen_random_uuid(), 1, '{}', 30, true)",
}


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The other operator's connection."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def ids_of(connection: asyncpg.Connection, sql: str, letters: list[UUID]) -> set[UUID]:
    rows = await connection.fetch(sql, *([letters] if "$1" in sql else []))
    return {row["id"] for row in rows} - {None}


async def waits_for_a_lock(connection: asyncpg.Connection, process: int) -> bool:
    return bool(await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", process))


async def one_after_the_other(
    first: asyncpg.Connection, second: asyncpg.Connection, calls: tuple[str, str], letters: list[UUID]
) -> tuple[set[UUID], set[UUID], bool]:
    """Let the second operator begin while the first one's transaction is open; return what each did, and whether it waited."""
    await first.execute("BEGIN")
    did_first = await ids_of(first, calls[0], letters)
    running = asyncio.create_task(ids_of(second, calls[1], letters))

    async def stands_still() -> bool:
        return running.done() or await waits_for_a_lock(first, second.get_server_pid())

    await eventually(stands_still)
    waited = not running.done()
    await first.execute("COMMIT")
    return did_first, await running, waited


async def fresh_letters(connection: asyncpg.Connection, number: int) -> list[UUID]:
    """Return the ids of new dead letters in a database that holds nothing else."""
    await connection.execute(
        "TRUNCATE pgqueuer.jobs, pgqueuer.dead_letter_queue, pgqueuer.job_history, pgqueuer.job_attempts, pgqueuer.job_actions"
    )
    await connection.execute("SELECT pgqueuer.enqueue_job('w') FROM generate_series(1, $1)", number)
    claim = "SELECT id, lease_token FROM pgqueuer.claim_jobs('casare_rpa_jobs', $1, 'r', $2, 1, '{}', 30, true)"
    held = await connection.fetch(claim, number, uuid4())
    ids, tokens = [row["id"] for row in held], [row["lease_token"] for row in held]
    settle = "SELECT pgqueuer.settle_jobs($1, $2, $3, NULL, $4)"
    await connection.execute(settle, ids, tokens, ["business"] * number, ["e"] * number)
    return ids


async def test_two_who_decide_about_the_same_letters(connection: asyncpg.Connection, other: asyncpg.Connection) -> None:
    for first, second in itertools.product(LETTERS, LETTERS):
        letters = await fresh_letters(connection, 2)
        calls = LETTERS[first], LETTERS[second]
        did_first, did_second, waited = await one_after_the_other(connection, other, calls, letters)
        assert did_first == set(letters), (first, second)
        assert waited == (second != "purge"), (first, second)  # which waits for nobody
        repeated = first == second == "assign"
        nothing_left = first in TAKES_AWAY or second == "purge" or repeated
        assert did_second == (set() if nothing_left else set(letters)), (first, second)
        left = await connection.fetchval("SELECT count(*) FROM pgqueuer.all_jobs")
        assert left == (0 if first == "purge" else 2), (first, second)


async def test_a_dry_run_waits_for_nobody_and_nobody_waits_for_it(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    letters = await fresh_letters(connection, 2)
    dry = f"SELECT id FROM pgqueuer.redrive_dead_letters('{WORK}', p_dry_run => true)"
    assert await one_after_the_other(connection, other, (dry, LETTERS["redrive"]), letters) == (
        set(letters),
        set(letters),
        False,
    )
    letters = await fresh_letters(connection, 2)
    assert await one_after_the_other(connection, other, (LETTERS["redrive"], dry), letters) == (
        set(letters),
        set(letters),
        False,
    )


async def test_an_edit_waits_and_then_says_what_the_job_has_become(
    config: QueueConfig, connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    [letter] = await bury(config, "e")
    edit = f"SELECT NULL AS id FROM pgqueuer.edit_payload('{letter}', '{{}}')"
    with pytest.raises(asyncpg.PostgresError, match=f"job {letter} is no dead letter: it is PENDING"):
        await one_after_the_other(connection, other, (LETTERS["redrive"], edit), [letter])


async def test_a_redrive_takes_the_payload_that_was_being_edited(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    [letter] = await bury(config, "e", payload={"n": 1})
    edit = f"SELECT NULL::uuid AS id FROM pgqueuer.edit_payload('{letter}', '{{\"n\": 2}}')"
    _, redriven, waited = await one_after_the_other(connection, other, (edit, LETTERS["redrive"]), [letter])
    assert (redriven, waited) == ({letter}, True)
    assert (await producer.get_job(letter)).payload == {"n": 2}


async def test_the_filter_is_asked_again_when_the_lock_is_there(
    config: QueueConfig, connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    """Somebody takes one of the letters of nobody; who resolves those of nobody must leave it to her."""
    hers, nobodys = await bury(config, "e", "e")
    take = f"SELECT id FROM pgqueuer.assign_dead_letters('{json.dumps({'ids': [str(hers)]})}', 'ann')"
    resolve = "SELECT id FROM pgqueuer.resolve_dead_letters('{\"assigned_to\": \"\"}', 'done')"
    taken, resolved, waited = await one_after_the_other(connection, other, (take, resolve), [])
    assert (taken, resolved, waited) == ({hers}, {nobodys}, True)


@pytest.mark.parametrize(
    ("first", "second", "done"),
    [
        ("cancel", "cancel", False),
        ("cancel", "raise", False),
        ("cancel", "claim", False),
        ("raise", "cancel", True),
        ("raise", "raise", False),
        ("raise", "claim", False),  # which passes over what is locked, and finds it the next time
        ("claim", "cancel", True),  # robots are asked
        ("claim", "cancel what waits", False),
        ("claim", "raise", False),
    ],
)
async def test_two_who_want_the_same_jobs(
    producer: PgQueuerProducer,
    connection: asyncpg.Connection,
    other: asyncpg.Connection,
    first: str,
    second: str,
    done: bool,
) -> None:
    ids = set(await producer.enqueue_batch(jobs(1, 2)))
    did_first, did_second, waited = await one_after_the_other(connection, other, (JOBS[first], JOBS[second]), [])
    assert did_first == ids
    assert did_second == (ids if done else set())
    assert waited == (second != "claim")
    if (first, second) == ("raise", "claim"):
        assert await ids_of(other, JOBS["claim"], []) == ids


async def test_many_operators_redrive_and_resolve_each_letter_once(config: QueueConfig) -> None:
    letters = await bury(config, *["e"] * 60)
    where = JobFilter(workflow="w")
    async with PgQueuerProducer(config.model_copy(update={"connection_pool_size": 6})) as producer:
        results = await asyncio.gather(
            *(producer.redrive_dead_letters(where) for _ in range(3)),
            *(producer.resolve_dead_letters(where, "done") for _ in range(3)),
        )
        done = [job_id for result in results for job_id in result.ids]
        assert sorted(done) == sorted(letters)
        redriven = sum(result.count for result in results[:3])
        assert (await producer.count_jobs(JobFilter(status=JobStatus.PENDING))).count == redriven
        assert (await producer.count_jobs(JobFilter(status=JobStatus.FAILED))).count == 60 - redriven
        for job_id in letters:
            assert len(await producer.get_actions(job_id)) == 1


async def test_letters_whose_id_somebody_has_used_once_more_stay(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    [twice, once] = await bury(config, "e", "e")
    await connection.execute(
        "INSERT INTO pgqueuer.jobs (id, seq, route_id, created_at, retry_delay, status, max_retries, priority, queue_name,"
        " workflow, on_crash, payload) SELECT $1, 1, 1, now(), 1, 'PENDING', 1, 5, 'q', 'w', 'retry', '{}'",
        twice,
    )
    where = JobFilter(reason="business")
    assert (await producer.redrive_dead_letters(where)).ids == [once]
    assert await producer.redrive_jobs([twice]) == []


async def test_a_page_is_one_transaction(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    """What fails in the middle of a page leaves nothing of it behind."""
    letters = await bury(config, *["e"] * 3)
    await connection.execute(f"""
        CREATE FUNCTION pgqueuer.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON pgqueuer.jobs FOR EACH ROW WHEN (NEW.id = '{letters[1]}')
        EXECUTE FUNCTION pgqueuer.refuse()
    """)
    with pytest.raises(asyncpg.PostgresError, match="no"):
        await producer.redrive_dead_letters(JobFilter(workflow="w"))
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 0
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.dead_letter_queue") == 3


async def test_a_filter_from_outside_is_never_part_of_a_statement(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await producer.enqueue_job(JobModel(workflow="w"))
    nasty: Any
    for nasty in ("'; DROP TABLE pgqueuer.jobs; --", "' OR true --", "%s", "$1", '"', "\\"):
        for key in ("queue_name", "workflow", "tenant_id", "robot", "reference", "error", "shape", "assigned_to"):
            assert await producer.list_jobs(JobFilter.of(**{key: nasty})) == []
        assert await producer.list_jobs(JobFilter(tags=[nasty], metadata={nasty: nasty})) == []
        assert (await producer.assign_dead_letters(JobFilter(ids=[uuid4()]), nasty)).count == 0
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 1
