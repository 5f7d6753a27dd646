"""Dead letters as a workplace: what failed alike together, edited, redriven, resolved, assigned, purged, and who did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.postgres import migrator
from casare_rpa.infrastructure.queue import (
    DuplicateReference,
    InvalidJob,
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
    PgQueuerConsumer,
    PgQueuerProducer,
    QueueConfig,
    migrate,
)
from tests.infrastructure.helpers import claim, contents, pass_retention, pass_time
from tests.infrastructure.workplace import bury

if TYPE_CHECKING:
    from tests.clock import FrozenClock

ALL = JobFilter(status=JobStatus.FAILED)


async def actions(producer: PgQueuerProducer, job_id: UUID) -> list[tuple[str, str | None, Any]]:
    return [(done.action, done.comment, done.detail) for done in await producer.get_actions(job_id)]


async def test_letters_that_failed_alike_are_one_group_the_biggest_first(
    config: QueueConfig, producer: PgQueuerProducer, clock: FrozenClock
) -> None:
    began = await clock.now()
    orders = await bury(config, "ValueError: order 7 is gone\nTraceback: 1", "ValueError: order 11 is gone")
    await clock.advance(60)
    orders += await bury(config, "ValueError: order 12 is gone")
    files = await bury(config, "no /tmp/a.csv", "no /var/b.csv")
    [elsewhere] = await bury(config, "no /tmp/c.csv", queue_name="other")
    [application] = await bury(config, "no /tmp/d.csv", business=False)
    await producer.assign_dead_letters(JobFilter(ids=orders[:1]), "bob")
    await producer.assign_dead_letters(JobFilter(ids=orders[1:2]), "ann")

    groups = await producer.group_dead_letters()
    assert (groups.complete, groups.looked_at) == (True, 7)
    biggest = groups[0]
    assert (biggest.queue_name, biggest.workflow, biggest.reason) == (config.queue_name, "w", "business")
    assert (biggest.shape, biggest.count) == ("ValueError: order <n> is gone", 3)
    assert (biggest.first_at, biggest.last_at, biggest.example_id) == (began, await clock.now(), orders[2])
    assert biggest.assigned_to == ["ann", "bob"]
    assert [(group.shape, group.count) for group in groups[1:]] == [
        ("no <path>", 2),
        ("no <path>", 1),
        ("no <path>", 1),
    ]
    assert {group.example_id for group in groups[1:]} == {max(files), elsewhere, application}

    some = await producer.group_dead_letters(JobFilter(shape="no <path>", queue_name=config.queue_name), limit=1)
    assert [(group.count, group.reason) for group in some] == [(2, "business")]
    assert some.complete is False
    assert list(await producer.group_dead_letters(JobFilter(shape="nothing like it"))) == []


async def test_letters_from_before_there_were_shapes_get_theirs(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    [letter] = await bury(config, "order 7 is gone")
    await connection.execute("UPDATE pgqueuer.dead_letter_queue SET error_shape = NULL")
    for _ in range(2):
        assert [job.id for job in await producer.list_jobs(JobFilter(shape="order <n> is gone"))] == [letter]
        assert [group.shape for group in await producer.group_dead_letters()] == ["order <n> is gone"]
        assert (await producer.list_dead_letters())[0].error_shape == "order <n> is gone"
        await connection.execute("SELECT pgqueuer.upkeep(true)")
    assert await connection.fetchval("SELECT error_shape FROM pgqueuer.dead_letter_queue") == "order <n> is gone"


async def test_a_call_folds_so_many_letters_from_before_there_were_shapes_and_says_so(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    await bury(config, "order 7 is gone")
    await connection.execute(
        """INSERT INTO pgqueuer.dead_letter_queue
           SELECT (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid(), 'error_shape', NULL))).*
             FROM pgqueuer.dead_letter_queue d CROSS JOIN generate_series(1, 2002);
           UPDATE pgqueuer.dead_letter_queue SET error_shape = NULL"""
    )
    groups = await producer.group_dead_letters()
    assert [(group.shape, group.count) for group in groups] == [("order <n> is gone", 2000), ("<not folded yet>", 3)]
    where = JobFilter(shape="order <n> is gone")
    assert (await producer.list_dead_letters(where, limit=1000)).looked_at <= 2000
    assert (await producer.redrive_dead_letters(where, dry_run=True)).count == 2003


async def test_a_quarrel_about_a_priority_does_not_fill_the_disk(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", priority=1))
    await producer.comment_job(job_id, "the first")
    await connection.execute(
        f"""INSERT INTO pgqueuer.job_actions (job_id, queue_name, at, actor, action)
            SELECT '{job_id}', queue_name, now(), 'x', 'prioritised' FROM pgqueuer.jobs CROSS JOIN generate_series(1, 1001)"""
    )
    await producer.set_priority(JobFilter(ids=[job_id]), 7)
    kept = await connection.fetch("SELECT action, detail FROM pgqueuer.job_actions ORDER BY at, ctid")
    assert [row["action"] for row in kept] == ["commented", *["prioritised"] * 1000]
    assert kept[-1]["detail"] is not None, "the latest is kept"
    assert len(await producer.get_actions(job_id)) == 1001


async def test_actions_are_told_until_they_come_to_16_mib(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    [job_id] = await bury(config, "1")
    await connection.execute(
        f"""INSERT INTO pgqueuer.job_actions (job_id, queue_name, at, actor, action, detail)
            SELECT '{job_id}', queue_name, now() + n * interval '1 second', 'x', 'edited',
                   jsonb_build_object('n', n, 'payload', repeat('x', 1000000))
              FROM pgqueuer.dead_letter_queue CROSS JOIN generate_series(1, 19) n"""
    )
    told = [action.detail["n"] for action in await producer.get_actions(job_id) if action.detail]
    assert told == list(range(3, 20)), "the latest, and in their order"


async def test_groups_are_complete_when_exactly_as_many_letters_are_there_as_are_looked_at(
    producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    insert = """
        INSERT INTO pgqueuer.dead_letter_queue (id, seq, created_at, finished_at, retry_delay, max_retries, attempt, crashes,
                                                priority, enable_dlq, reason, queue_name, workflow, on_crash,
                                                error, error_shape, payload)
        SELECT gen_random_uuid(), n, now(), now(), 5, 3, 3, 0, 5, true, 'exhausted', 'q', 'w', 'retry', 'e', 'e', '{}'
          FROM generate_series(1, $1::integer) n"""
    await connection.execute(insert, 100_000)
    found = await producer.group_dead_letters()
    assert ([group.count for group in found], found.complete, found.looked_at) == ([100_000], True, 100_000)
    await connection.execute(insert, 1)
    found = await producer.group_dead_letters()
    assert ([group.count for group in found], found.complete, found.looked_at) == ([100_000], False, 100_000)


async def test_dead_letters_of_the_first_version_are_in_the_workplace_after_a_migration(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = QueueConfig(database_url=empty_database_url)
    every = migrator.Blueprint.numbered_migrations
    monkeypatch.setattr(migrator.Blueprint, "numbered_migrations", lambda self: every(self)[:1])
    monkeypatch.setattr(migrator.Blueprint, "function_files", lambda _: [])
    await migrate(config)
    monkeypatch.undo()
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("""
        INSERT INTO pgqueuer.dead_letter_queue (id, seq, created_at, finished_at, retry_delay, max_retries, attempt, crashes,
                                                priority, enable_dlq, reason, queue_name, workflow, on_crash, error, payload)
        SELECT gen_random_uuid(), n, now(), now(), 5, 3, 3, 0, 5, true, 'exhausted', 'q', 'w', 'retry', 'order ' || n, '{}'
          FROM generate_series(1, 700) n""")
    await migrate(config)
    async with PgQueuerProducer(config) as producer:
        assert [(group.shape, group.count) for group in await producer.group_dead_letters()] == [("order <n>", 700)]
        unshaped = "SELECT count(*) FROM pgqueuer.dead_letter_queue WHERE error_shape IS NULL"
        for left in (200, 0):
            await connection.execute("SELECT pgqueuer.upkeep(true)")
            assert await connection.fetchval(unshaped) == left
        assert (await producer.redrive_dead_letters(JobFilter(shape="order <n>"))).count == 700
    await connection.close()


async def test_what_is_no_payload_is_refused_and_changes_nothing(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    [letter] = await bury(config, "e")
    before = await contents(connection)
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"a": deep}
    for payload, complaint in (
        ([1], "payload must be a JSON object"),
        ("{}", "payload must be a JSON object"),
        (None, "payload must be a JSON object"),
        ({"a": {1, 2}}, r"payload\.a is of type set"),
        ({"a": "\x00"}, "NUL"),
        (deep, "nested deeper than 64 levels"),
        ({"a": "x" * 2**20}, "more than the limit of 1048576"),
    ):
        with pytest.raises(InvalidJob, match=complaint):
            await producer.edit_payload(letter, payload)  # type: ignore[arg-type] # what a caller might do
    for text in ("[1]", '"x"', "null", '{"a": "%s"}' % ("x" * 2**20)):
        with pytest.raises(asyncpg.PostgresError, match="payload of job 1") as refusal:
            await connection.execute("SELECT pgqueuer.edit_payload($1, $2)", letter, text)
        assert refusal.value.sqlstate == "CR004"
    for comment in ("", "x" * 10_001):
        with pytest.raises(InvalidJob, match="comment"):
            await producer.edit_payload(letter, {}, comment=comment)
    assert await contents(connection) == before
    assert await producer.get_actions(letter) == []


async def test_a_letter_that_dies_again_at_once_is_not_redriven_twice(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    letters = await bury(config, *["e"] * 5)
    sql, after, met = 'SELECT * FROM pgqueuer.redrive_dead_letters(\'{"workflow": "w"}\', 2, $1)', None, []
    while True:
        *page, note = await connection.fetch(sql, after)
        met += [row["id"] for row in page]
        async with PgQueuerConsumer(config, robot_id="r") as robot:
            for job in await robot.claim_jobs(10):
                await robot.fail_job(job, "again", business=True)
        after = note["resume_after"]
        if after is None:
            break
    assert sorted(met) == sorted(letters)
    assert {job.id for job in await producer.list_dead_letters()} == set(letters)


# Resolve


async def test_a_resolved_letter_is_in_the_history_with_its_attempts_and_its_comment(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock
) -> None:
    [letter] = await bury(config, "no", reference="R", payload={"n": 1}, tags=["t"])
    died = await clock.now()
    await producer.assign_dead_letters(ALL, "ann")
    await pass_time(clock, 400 * 86400)
    assert (await producer.resolve_dead_letters(ALL, "paid by hand", dry_run=True)).ids == [letter]
    assert (await producer.resolve_dead_letters(ALL, "paid by hand")).ids == [letter]
    assert (await producer.resolve_dead_letters(ALL, "paid by hand")).count == 0
    job = await producer.get_job(letter)
    assert (job.status, job.dead_letter_reason, job.error, job.payload) == (JobStatus.FAILED, None, "no", {"n": 1})
    assert (job.finished_at, job.tags, job.claimed_by) == (await clock.now(), ["t"], "robot-1")
    assert [attempt.outcome for attempt in await producer.get_attempts(letter)] == ["business"]
    assert await producer.list_dead_letters() == []
    assert [job.id for job in await producer.list_jobs(ALL)] == [letter]
    resolved = (await actions(producer, letter))[-1]
    assert resolved[:2] == ("resolved", "paid by hand")
    assert (resolved[2]["reason"], resolved[2]["assigned_to"]) == ("business", "ann")
    assert resolved[2]["died_at"].startswith(died.isoformat()[:19])
    with pytest.raises(DuplicateReference):
        await producer.enqueue_job(JobModel(workflow="w", reference="R"))

    for _ in range(3):  # weeks that are long over are dropped as well, one at a time
        await pass_retention(clock)
    with pytest.raises(JobNotFound):
        await producer.get_job(letter)
    await producer.enqueue_job(JobModel(workflow="w", reference="R"))
    for table in ("job_attempts", "job_actions"):
        assert await connection.fetchval(f"SELECT count(*) FROM pgqueuer.{table}") == 0


async def test_a_comment_is_kept_with_the_job_wherever_it_goes(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection, clock: FrozenClock
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await producer.comment_job(job_id, "why so late?")
    await clock.advance(1)
    await producer.comment_job(str(job_id), "x" * 10_000)
    async with PgQueuerConsumer(config, robot_id="r") as robot:
        await robot.complete_job(await claim(robot))
    first, second = await producer.get_actions(job_id)
    assert (first.action, first.comment, first.detail) == ("commented", "why so late?", None)
    assert (second.at - first.at).total_seconds() == 1
    assert first.actor == await connection.fetchval("SELECT session_user")
    assert second.comment == "x" * 10_000


async def test_comments_that_cannot_be_are_refused(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    for comment in ("", "x" * 10_001, "x" * 2**20, "a\x00b", "\ud800", 7, None):
        with pytest.raises(InvalidJob, match="comment"):
            await producer.comment_job(job_id, comment)  # type: ignore[arg-type] # what a caller might do
        with pytest.raises(InvalidJob, match="comment"):
            await producer.resolve_dead_letters(ALL, comment)  # type: ignore[arg-type] # as above
    for sql in ("comment_job($1, $2)", "edit_payload($1, '{}', $2)"):
        [target] = [job_id] if sql.startswith("comment") else await bury(config, "e")
        for text in ("", "x" * 2**20):
            with pytest.raises(asyncpg.PostgresError, match="a comment has 1 to 10000 characters"):
                await connection.execute(f"SELECT pgqueuer.{sql}", target, text)
    for sql in ("comment_job($2, $1)", """resolve_dead_letters('{"workflow": "w"}', $1) WHERE $2::uuid IS NOT NULL"""):
        for nothing in ("", None, "x" * 2**20):
            with pytest.raises(asyncpg.PostgresError, match="a comment has 1 to 10000 characters"):
                await connection.execute(f"SELECT FROM pgqueuer.{sql}", nothing, job_id)
    with pytest.raises(JobNotFound):
        await producer.comment_job(uuid4(), "x")
    with pytest.raises(JobNotFound):
        await producer.get_actions(uuid4())
    assert await producer.get_actions(job_id) == []


async def test_comments_and_edits_have_a_number_that_redrives_do_not_count_towards(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    [letter] = await bury(config, "e")
    await producer.assign_dead_letters(JobFilter(ids=[letter]), "ann")  # which is counted no more than a redrive
    await connection.execute("SELECT pgqueuer.comment_job($1, 'x') FROM generate_series(1, 1000)", letter)
    with pytest.raises(InvalidJob, match=f"the job {letter} has 1000 comments and edits already"):
        await producer.comment_job(letter, "x")
    with pytest.raises(InvalidJob, match=f"the job {letter} has 1000 comments and edits already"):
        await producer.edit_payload(letter, {})
    assert await producer.redrive_jobs([letter]) == [letter]
    assert len(await producer.get_actions(letter)) == 1002


# Purge


async def test_a_purge_leaves_no_trace_of_what_matches(
    config: QueueConfig, producer: PgQueuerProducer, connection: asyncpg.Connection
) -> None:
    [kept] = await bury(config, "e", reference="K")
    [purged] = await bury(config, "e", reference="R", tags=["x"])
    for job_id in (kept, purged):
        await producer.comment_job(job_id, "hm")
    where = JobFilter(tags=["x"])
    assert (await producer.purge_dead_letters(where, dry_run=True)).ids == [purged]
    assert await producer.get_job_status(purged) is JobStatus.FAILED
    assert (await producer.purge_dead_letters(where)).ids == [purged]
    assert (await producer.purge_dead_letters(where)).count == 0
    with pytest.raises(JobNotFound):
        await producer.get_job(purged)
    await producer.enqueue_job(JobModel(workflow="w", reference="R"))
    with pytest.raises(DuplicateReference):
        await producer.enqueue_job(JobModel(workflow="w", reference="K"))
    for table in ("job_attempts", "job_actions"):
        rows = await connection.fetch(f"SELECT DISTINCT job_id FROM pgqueuer.{table}")
        assert [row["job_id"] for row in rows] == [kept]
