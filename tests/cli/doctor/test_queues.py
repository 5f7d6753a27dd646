"""What the doctor says of the queues: who works on them, what waits, what has stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer

if TYPE_CHECKING:
    import asyncpg

    from casare_rpa.infrastructure.queue import QueueConfig
    from tests.cli.doctor.conftest import Look

SEEN = "INSERT INTO pgqueuer.robots VALUES (gen_random_uuid(), 'r', $1, NULL, clock_timestamp())"


async def test_upkeep(connection: asyncpg.Connection, config: QueueConfig, look: Look) -> None:
    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '1 hour'")
    nobody = await look("upkeep")
    assert (nobody.state, nobody.facts["robots"]) == ("note", 0)
    await connection.execute(SEEN, "q")
    held_up = await look("upkeep")
    assert (held_up.state, "the last pass was 60 min ago" in held_up.found) == ("warning", True)
    await connection.execute("SELECT pgqueuer.upkeep(true)")
    assert (await look("upkeep")).state == "ok"


async def test_leases_that_nobody_ends(connection: asyncpg.Connection, config: QueueConfig, look: Look) -> None:
    async with PgQueuerProducer(config) as producer:
        await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, "r") as robot:
        await robot.claim_job()
        await robot.stop()
        await connection.execute(
            "UPDATE pgqueuer.jobs SET status = 'CLAIMED', lease_expires_at = clock_timestamp() - interval '1 hour'"
        )
    await connection.execute("UPDATE pgqueuer.upkeep_state SET passed_at = clock_timestamp() - interval '1 hour'")
    finding = await look("upkeep")
    assert (finding.state, finding.facts["expired"]) == ("problem", 1)


async def test_jobs_that_wait_for_nobody(
    connection: asyncpg.Connection, producer: PgQueuerProducer, look: Look
) -> None:
    await producer.enqueue_batch([JobModel(workflow="w", queue_name="q", priority=n) for n in (1, 2, 3)])
    alone = await look("queues")
    assert (alone.state, alone.facts["queue"], alone.facts["waiting"]) == ("note", "q", 3)
    assert "no robot was seen" in alone.found
    await connection.execute(SEEN, "q")
    assert (await look("queues")).facts == {"queues": 1, "robots": 1}
    await producer.pause_queue("q")
    paused = await look("queues")
    assert (paused.state, paused.advice) == ("note", "casare queue resume q")
    await producer.purge_queue("q")
    assert (await look("queues")).state == "ok"


async def test_a_name_that_cannot_be_shown_is_in_no_command(producer: PgQueuerProducer, look: Look) -> None:
    await producer.enqueue_job(JobModel(workflow="w", queue_name="q\x1b[31m"))
    advice = (await look("queues")).advice or ""
    assert advice.startswith("casare work MODULE:FUNCTION --queue QUEUE: its name has control characters")
    await producer.pause_queue("q\x1b[31m")
    assert ((await look("queues")).advice or "").startswith("casare queue resume QUEUE: its name has")


async def test_only_so_many_queues_are_named(producer: PgQueuerProducer, look: Look) -> None:
    await producer.enqueue_batch([JobModel(workflow="w", queue_name=f"q{n}") for n in range(12)])
    assert (await look("queues")).state == "note"


async def test_dead_letters(producer: PgQueuerProducer, config: QueueConfig, look: Look) -> None:
    assert (await look("dead letters")).facts == {"count": 0}
    await producer.enqueue_batch([JobModel(workflow="w", max_retries=1) for _ in range(3)])
    async with PgQueuerConsumer(config, "r") as robot:
        for number, job in enumerate(await robot.claim_jobs(3)):
            await robot.fail_job(job, "e", business=number == 0)
    finding = await look("dead letters")
    assert (finding.state, finding.advice) == ("note", "casare dlq groups")
    assert finding.facts == {"count": 3, "by_reason": {"exhausted": 2, "business": 1}}
