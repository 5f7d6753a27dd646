"""`casare dlq list` and `redrive`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from casare_rpa.cli import dlq_commands
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare

NASTY = "\x1b[31m[red]x[/red]\x9b\u202e"

pytestmark = pytest.mark.usefixtures("database")


async def bury(
    producer: PgQueuerProducer,
    config: QueueConfig,
    *,
    business: bool,
    jobs: int = 1,
    queue: str = "q",
    error: str = "e",
) -> list[UUID]:
    """Return the ids of so many new dead letters, oldest first."""
    ids = await producer.enqueue_batch([JobModel(workflow="w", queue_name=queue, max_retries=1) for _ in range(jobs)])
    async with PgQueuerConsumer(config.model_copy(update={"queue_name": queue}), "robot-1") as consumer:
        for job in await consumer.claim_jobs(jobs):
            await consumer.fail_job(job, error, business=business)
    return ids


async def test_list(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    assert (await casare("dlq", "list")).err == "casare: no dead letters\n"
    assert (await casare("dlq", "list", "--json")).json() == []
    (exhausted,) = await bury(producer, config, business=False, error=f"{NASTY}\nmore\n" + "x" * 500)
    (business,) = await bury(producer, config, business=True, queue="r")

    async def listed(*arguments: str) -> list[str]:
        return [job["id"] for job in (await casare("dlq", "list", "--json", *arguments)).json()]

    assert await listed() == [str(business), str(exhausted)]
    assert await listed("--queue", "q") == [str(exhausted)]
    assert await listed("--reason", "business") == [str(business)]
    assert await listed("--limit", "1") == [str(business)]
    shown = (await casare("dlq", "list")).done().splitlines()
    assert [line.split()[:2] for line in shown] == [
        ["ID", "REASON"],
        [str(business), "business"],
        [str(exhausted), "exhausted"],
    ]
    assert shown[2].rstrip().endswith("\\x1b[31m[red]x[/red]\\x9b\\u202e…")


async def test_redrive_some(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    dead = [str(job_id) for job_id in await bury(producer, config, business=True, jobs=3)]
    printed = (await casare("dlq", "redrive", dead[0], dead[1], dead[0])).done()
    assert sorted(printed.split()) == sorted(dead[:2])
    job = await producer.get_job(dead[0])
    assert (job.status, job.attempt) == ("PENDING", 0)
    outcome = await casare("dlq", "redrive", dead[2], dead[1], unknown := str(uuid4()))
    assert (outcome.code, outcome.out.split()) == (1, [dead[2]])
    assert outcome.err == f"casare: no dead letter: {dead[1]}, {unknown}\n"


async def test_redrive_all_that_match(
    casare: Casare, producer: PgQueuerProducer, config: QueueConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlq_commands, "_PAGE", 2)
    business = await bury(producer, config, business=True, jobs=5)
    exhausted = await bury(producer, config, business=False, jobs=3)
    elsewhere = await bury(producer, config, business=True, jobs=1, queue="r")
    unkept = config.model_copy(update={"enable_dlq": False})
    async with type(producer)(unkept) as careless:
        lost = await bury(careless, unkept, business=True)

    async def redriven(*arguments: str) -> set[str]:
        outcome = await casare("dlq", "redrive", "--all", *arguments)
        ids = outcome.done().split()
        assert outcome.err == f"casare: {len(ids)} redriven\n"
        return set(ids)

    assert await redriven("--queue", "q", "--reason", "business") == {str(job_id) for job_id in business}
    assert await redriven("--reason", "in doubt") == set()
    assert await redriven() == {str(job_id) for job_id in [*exhausted, *elsewhere]}
    assert await redriven() == set()
    assert (await producer.get_job(lost[0])).status == "FAILED"
