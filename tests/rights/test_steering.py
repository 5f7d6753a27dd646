"""Who may find and steer which jobs: a viewer looks, a producer acts, within tenant and queues; a purge is the administrator's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from casare_rpa.infrastructure.queue import (
    JobFilter,
    JobModel,
    JobNotFound,
    JobStatus,
    NotPermitted,
)
from tests.infrastructure.workplace import bury, complete

WORK = JobFilter(workflow="w")
DEAD = JobFilter(status=JobStatus.FAILED)


@pytest.fixture
async def scene(config, producer):
    """For each of two tenants, and for a queue that is not acme's, a job that waits and a dead letter."""
    found = {}
    for name, tenant, queue in (
        ("mine", "acme", "invoices"),
        ("theirs", "globex", "invoices"),
        ("hidden", "acme", "payroll"),
    ):
        [dead] = await bury(config, f"{name} 1", tenant_id=tenant, queue_name=queue)
        waiting = await producer.enqueue_job(
            JobModel(workflow="w", tenant_id=tenant, queue_name=queue, reference="R", retry_delay=900)
        )
        await producer.comment_job(dead, f"of {name}")
        found[name] = (waiting, dead)
    return found


@pytest.fixture
async def acme(logins):
    return await (await logins.make("producer", tenant="acme", queues=["invoices", "letters"])).producer()


@pytest.fixture
async def viewer(logins):
    return await (await logins.make("viewer", tenant="acme", queues=["invoices", "letters"])).producer()


def acts(producer, job_id):
    return {
        "cancel": producer.cancel_jobs(WORK),
        "retry": producer.retry_jobs(WORK),
        "prioritise": producer.set_priority(WORK, 9),
        "redrive": producer.redrive_dead_letters(WORK),
        "resolve": producer.resolve_dead_letters(WORK, "done"),
        "assign": producer.assign_dead_letters(WORK, "ann"),
        "purge": producer.purge_dead_letters(WORK),
        "edit": producer.edit_payload(job_id, {}),
        "comment": producer.comment_job(job_id, "x"),
    }


async def test_everybody_finds_what_is_within_their_bounds_and_nothing_else(scene, acme, viewer):
    waiting, dead = scene["mine"]
    everything = [job_id for pair in scene.values() for job_id in pair]
    for who in (acme, viewer):
        assert {job.id for job in await who.list_jobs()} == {waiting, dead}
        assert {job.id for job in await who.list_jobs(JobFilter(ids=everything))} == {waiting, dead}
        assert [job.id for job in await who.list_jobs(JobFilter(reference="R"))] == [waiting]
        assert await who.list_jobs(JobFilter(tenant_id="globex")) == []
        assert (await who.count_jobs()).count == 2
        assert [job.id for job in await who.list_dead_letters()] == [dead]
        assert [group.shape for group in await who.group_dead_letters()] == ["mine <n>"]
        assert [action.comment for action in await who.get_actions(dead)] == ["of mine"]
        for name in ("theirs", "hidden"):
            for job_id in scene[name]:
                with pytest.raises(JobNotFound):
                    await who.get_actions(job_id)


async def test_a_producer_does_what_it_does_to_its_own_alone(scene, acme, producer, connection):
    waiting, dead = scene["mine"]
    assert (await acme.assign_dead_letters(DEAD, "ann")).ids == [dead]
    assert (await acme.set_priority(WORK, 9)).ids == [waiting]
    await acme.edit_payload(dead, {"n": 1})
    await acme.comment_job(dead, "x")
    assert (await acme.redrive_dead_letters(DEAD)).ids == [dead]
    assert set((await acme.cancel_jobs(WORK)).ids) == {waiting, dead}
    assert (await acme.retry_jobs(WORK)).count == 0
    assert (await acme.resolve_dead_letters(WORK, "done")).count == 0
    for name in ("theirs", "hidden"):
        left, letter = scene[name]
        for job_id in (left, letter):
            with pytest.raises(JobNotFound):
                await acme.comment_job(job_id, "x")
            with pytest.raises(JobNotFound):
                await acme.edit_payload(job_id, {})
        assert (await producer.get_job(left)).priority == 5
        assert await producer.get_job_status(left) is JobStatus.PENDING
        assert [job.assigned_to for job in await producer.list_dead_letters(JobFilter(ids=[letter]))] == [None]
        assert len(await producer.get_actions(letter)) == 1


async def test_the_actor_is_the_login(scene, acme, logins):
    _, dead = scene["mine"]
    await acme.comment_job(dead, "mine")
    acted = (await acme.get_actions(dead))[-1]
    assert acted.actor.startswith("test_login_")


async def test_an_id_that_another_tenants_job_had_shows_nothing_of_it(config, producer, logins, connection):
    """Programs that are bound to nothing are trusted not to do it."""
    [job_id] = await complete(config, 1, tenant_id="globex", queue_name=config.queue_name)
    await producer.comment_job(job_id, "a secret")
    await connection.fetch(ENQUEUE, '[{"workflow": "w", "tenant_id": "acme"}]', [job_id], False)
    acme = await (await logins.make("producer", tenant="acme")).producer()
    await acme.comment_job(job_id, "mine")
    assert [action.comment for action in await acme.get_actions(job_id)] == ["mine"]
    assert [job.tenant_id for job in await acme.list_jobs(JobFilter(ids=[job_id]))] == ["acme"]


ENQUEUE = """
SELECT * FROM pgqueuer.enqueue_jobs($1, NULL, $2, array_fill('{}'::jsonb, ARRAY[cardinality($2::uuid[])]), p_resent => $3)"""


@pytest.mark.parametrize("bound", [{"tenant": "acme"}, {"queues": ["letters"]}])
@pytest.mark.parametrize("resent", [False, True])
async def test_an_id_that_anybodys_job_has_is_refused_and_tells_nothing_of_it(
    config, producer, logins, connection, bound, resent
):
    theirs: dict[str, Any] = {"tenant_id": "globex", "queue_name": "invoices"}
    taken = [
        *await bury(config, "1", **theirs),
        *await complete(config.model_copy(update={"queue_name": "invoices"}), 1, **theirs),
        await producer.enqueue_job(JobModel(workflow="w", **theirs)),
    ]
    session = await (await logins.make("producer", **bound)).connect()
    said = set()
    for job_id in taken:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await session.fetch(ENQUEUE, '[{"workflow": "w", "queue_name": "letters"}]', [uuid4(), job_id], resent)
        said.add((refused.value.sqlstate, str(refused.value)))
    assert said == {("CR004", "an id of this batch is taken")}
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 1


async def test_a_batch_of_a_bound_login_that_is_sent_again_doubles_nothing(logins, connection):
    session = await (await logins.make("producer", tenant="acme")).connect()
    first, second = uuid4(), uuid4()
    await session.fetch(ENQUEUE, '[{"workflow": "w"}]', [first], False)
    await session.fetch(ENQUEUE, '[{"workflow": "w"}]', [first, second], True)
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs") == 2


async def test_a_purge_leaves_what_belongs_to_anothers_job_with_the_same_id(config, producer, connection):
    [job_id] = await bury(config, "1", business=False, tenant_id="globex", queue_name=config.queue_name)
    await producer.comment_job(job_id, "theirs")
    await connection.execute(
        """INSERT INTO pgqueuer.job_actions (job_id, tenant_id, queue_name, at, actor, action)
           VALUES ($1, 'acme', $2, now(), 'a', 'commented')""",
        job_id,
        config.queue_name,
    )
    assert (await producer.purge_dead_letters(JobFilter(ids=[job_id]))).count == 1
    left = await connection.fetch("SELECT tenant_id FROM pgqueuer.job_actions")
    assert [row["tenant_id"] for row in left] == ["acme"]


async def test_a_dry_run_shows_nothing_of_others(scene, acme):
    waiting, dead = scene["mine"]
    assert (await acme.cancel_jobs(WORK, dry_run=True)).ids == [waiting]
    assert (await acme.redrive_dead_letters(WORK, dry_run=True)).ids == [dead]


async def test_a_viewer_changes_nothing(scene, viewer, connection):
    before = await everything(connection)
    for act in acts(viewer, scene["mine"][1]).values():
        with pytest.raises(NotPermitted, match="permission denied"):
            await act
    assert await everything(connection) == before


async def test_a_purge_is_the_administrators(scene, acme, producer):
    with pytest.raises(NotPermitted, match="permission denied"):
        await acme.purge_dead_letters(WORK)
    assert (await producer.purge_dead_letters(WORK)).count == 3


async def test_a_robot_neither_finds_nor_steers(scene, logins):
    session = await (await logins.make("robot", tenant="acme")).connect()
    for call in (
        *(
            "find_jobs()",
            "count_jobs()",
            "find_dead_letters()",
            "group_dead_letters()",
            "find_actions(gen_random_uuid())",
        ),
        *("cancel_jobs('{}')", "retry_jobs('{}')", "set_priority('{}', 1)", "redrive_dead_letters('{}')"),
        *("resolve_dead_letters('{}', 'x')", "assign_dead_letters('{}', 'x')", "purge_dead_letters('{}')"),
        *("edit_payload(gen_random_uuid(), '{}')", "comment_job(gen_random_uuid(), 'x')"),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.fetch(f"SELECT * FROM pgqueuer.{call}")


async def test_an_unregistered_login_is_refused(scene, logins):
    stranger = await (await logins.make("producer", registered=False)).producer()
    calls = acts(stranger, scene["mine"][1])
    calls.pop("purge").close()
    calls |= {
        "list": stranger.list_jobs(),
        "count": stranger.count_jobs(),
        "letters": stranger.list_dead_letters(),
        "groups": stranger.group_dead_letters(),
        "actions": stranger.get_actions(scene["mine"][1]),
    }
    for call in calls.values():
        with pytest.raises(NotPermitted, match="not registered"):
            await call


async def test_a_login_bound_to_no_queue_reaches_nothing(scene, logins):
    nobody = await (await logins.make("producer", queues=[])).producer()
    assert await nobody.list_jobs() == []
    assert await nobody.list_dead_letters() == []
    assert (await nobody.count_jobs()).count == 0
    assert (await nobody.cancel_jobs(WORK)).count == 0
    assert (await nobody.redrive_dead_letters(WORK)).count == 0


async def everything(connection: asyncpg.Connection) -> list[list[str]]:
    tables = ("jobs", "dead_letter_queue", "job_history", "job_actions", "job_attempts", "job_references")
    return [
        [row[0] for row in await connection.fetch(f"SELECT t::text FROM pgqueuer.{table} t ORDER BY 1")]
        for table in tables
    ]
