"""The checker counts right, and catches what must never happen: made here by hand, behind the queue's back."""

import contextlib

import pytest

from casare_rpa.demo.report import broken_promises
from casare_rpa.demo.witness import witness
from casare_rpa.infrastructure.queue import BusinessError, JobModel, PgQueuerConsumer
from tests.waiting import eventually

JOBS = [
    JobModel(workflow=name, retry_delay=0, tags=[name]) for name in ("plain", "failing", "bad", "unwanted", "waiting")
]


@contextlib.asynccontextmanager
async def robot(config, name):
    async with PgQueuerConsumer(config, name) as consumer:
        yield consumer


@pytest.fixture
async def ids(config, producer):
    """Six jobs with known lives: completed (twice), failed once and completed, redriven, cancelled, released and completed."""
    ids = await producer.enqueue_batch([*JOBS, JobModel(workflow="released")])
    plain, failing, bad, unwanted, waiting, released = ids
    async with robot(config, "robot-1") as one, robot(config, "robot-2") as two, robot(config, "robot-3") as three:
        held = {job.id: job for job in await one.claim_jobs(10)}
        assert await producer.cancel_job(unwanted)
        await one.complete_job(
            held[plain], {"name": "n", "version": "v", "licence": "l", "files": 1, "skipped": 0, "bytes": 2}
        )
        await one.fail_job(held[failing], "down", retry_in=0)
        await one.fail_job(held[bad], BusinessError("bad"), business=True)
        await one.release_job(held[waiting])
        await one.release_job(held[released])
        assert await producer.redrive_jobs([bad]) == [bad]
        for job in await two.claim_jobs(2):
            await two.complete_job(job)
        for job in await three.claim_jobs(10):
            await three.complete_job(job)
    return ids


@pytest.fixture
async def look(config):
    async with witness(config) as opened:
        yield opened


async def test_counts_of_known_lives(ids, look):
    report = await look.report(ids)
    counts = (
        report.submitted,
        report.completed,
        report.cancelled,
        report.retried,
        report.dead_lettered,
        report.redriven,
    )
    assert counts == (6, 5, 1, 1, 1, 1)
    assert (report.lost, report.settled_twice, report.unfinished, report.still_dead, report.strangers) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert report.robots == 3
    assert 0 < report.p50 <= report.p95 <= report.p99 < 5000
    assert broken_promises(report, expected=6) == []
    assert broken_promises(report, expected=7) == ["jobs submitted: 6, must be 7"]


async def test_time_to_claim_is_that_of_the_first_claim(ids, look, connection):
    # The first claims become 100 ms, 200 ms ... 600 ms; later ones of the same jobs stay and must not count.
    for number, job_id in enumerate(ids, start=1):
        await connection.execute(
            """WITH first AS (UPDATE pgqueuer.job_attempts a SET claimed_at = h.created_at + $2 * interval '100 ms'
                                FROM pgqueuer.job_history h WHERE h.id = a.job_id AND a.job_id = $1 RETURNING 1)
               UPDATE pgqueuer.job_history h SET claimed_at = h.created_at + CASE WHEN EXISTS (SELECT FROM first)
                 THEN interval '1 hour' ELSE $2 * interval '100 ms' END WHERE h.id = $1""",
            job_id,
            number,
        )
    report = await look.report(ids)
    assert (report.p50, report.p95, report.p99) == pytest.approx((350, 575, 595))


async def test_a_lost_job_is_missed(ids, look, connection):
    await connection.execute("DELETE FROM pgqueuer.job_history WHERE id = $1", ids[-1])
    report = await look.report(ids)
    assert (report.submitted, report.lost, report.completed, report.settled_twice) == (6, 1, 4, 0)
    assert broken_promises(report, expected=6) == [
        "jobs lost, without a final record: 1, must be 0",
        "jobs completed, cancelled or dead: 5, must be all 6",
    ]


async def test_a_job_completed_twice_is_seen(ids, look, connection):
    await connection.execute(
        "INSERT INTO pgqueuer.job_history SELECT * FROM pgqueuer.job_history WHERE id = $1", ids[0]
    )
    report = await look.report(ids)
    assert (report.settled_twice, report.lost, report.completed) == (1, 0, 5)
    assert broken_promises(report, expected=6) == ["jobs settled twice: 1, must be 0"]


async def test_a_job_completed_twice_by_different_attempts_is_seen(ids, look, connection):
    await connection.execute("CREATE TEMP TABLE twin AS TABLE pgqueuer.job_history")
    await connection.execute("DELETE FROM twin WHERE id <> $1", ids[0])
    await connection.execute("UPDATE twin SET token_hash = sha256('other'), attempt = 2, claimed_by = 'robot-2'")
    await connection.execute("INSERT INTO pgqueuer.job_history SELECT * FROM twin")
    assert (await look.report(ids)).settled_twice == 1


async def test_a_job_that_is_done_and_still_there_is_seen(ids, look, connection, producer):
    (new,) = await producer.enqueue_batch([JobModel(workflow="plain")])
    await connection.execute("UPDATE pgqueuer.jobs SET id = $1 WHERE id = $2", ids[0], new)
    report = await look.report(ids)
    assert (report.settled_twice, report.unfinished) == (1, 1)


async def test_a_job_that_is_done_and_dead_is_seen(ids, look, connection, producer, config):
    (new,) = await producer.enqueue_batch([JobModel(workflow="plain")])
    async with robot(config, "robot-1") as one:
        await one.fail_job(await one.claim_job(), "bad", business=True)
    await connection.execute("UPDATE pgqueuer.dead_letter_queue SET id = $1 WHERE id = $2", ids[0], new)
    report = await look.report(ids)
    assert (report.settled_twice, report.still_dead) == (1, 1)


async def test_an_attempt_that_ended_twice_is_seen(ids, look, connection):
    # The robot's completion and the expiry of the same lease: each alone is in order, both together never.
    await connection.execute(
        """INSERT INTO pgqueuer.job_attempts (job_id, queue_name, claimed_at, ended_at, attempt, status, outcome, robot, token_hash)
           SELECT id, queue_name, claimed_at, finished_at, attempt, 'PENDING', 'expired', claimed_by, token_hash
             FROM pgqueuer.job_history WHERE id = $1""",
        ids[0],
    )
    assert (await look.report(ids)).settled_twice == 1


async def test_a_job_that_still_waits_is_not_done(ids, look, producer):
    more = await producer.enqueue_batch([JobModel(workflow="plain")])
    report = await look.report(ids + more)
    assert (report.submitted, report.lost, report.unfinished) == (7, 1, 1)
    assert "jobs that still wait or run: 1, must be 0" in broken_promises(report, expected=7)
    assert await look.progress(ids + more) == {"waiting": 1, "running": 0, "done": 6, "dead": 0}


async def test_a_dead_letter_that_stays(look, producer, config):
    ids = await producer.enqueue_batch([JobModel(workflow="plain")])
    async with robot(config, "robot-1") as one:
        await one.fail_job(await one.claim_job(), "bad", business=True)
    report = await look.report(ids)
    assert (report.dead_lettered, report.redriven, report.still_dead, report.lost) == (1, 0, 1, 0)
    assert broken_promises(report, expected=1) == [
        "jobs cancelled: 0, must be 1",
        "jobs redriven: 0, must be 1",
        "jobs left in the dead letters: 1, must be 0",
        "jobs retried: 0, must be 1 or more, for a robot was killed",
        "robots that completed jobs: 0, must be 3 or more",
    ]


async def test_a_job_nobody_submitted_is_a_stranger(ids, look):
    report = await look.report(ids[1:])
    assert (report.submitted, report.strangers) == (5, 1)
    assert "jobs in the queue that were never submitted: 1, must be 0" in broken_promises(report, expected=5)


async def test_nothing_submitted(look):
    report = await look.report([])
    assert (report.submitted, report.lost, report.p50) == (0, 0, None)
    assert '"p50": null' in report.to_json()


async def test_inventory_holds_the_completed_jobs_with_the_tag(ids, look):
    (item,) = await look.inventory(ids, "plain")
    assert (item.name, item.bytes, item.verified_by, item.attempts) == ("n", 2, "robot-1", 1)
    assert await look.inventory(ids, "unwanted") == []


async def test_robots_that_listen(config, look):
    assert await look.robots() == set()
    async with robot(config, "robot-9"):
        await eventually(look.robots)
    assert await look.robots() == {"robot-9"}
