"""What is done to jobs that are named, or to all that match: `casare jobs cancel`, `retry`, `priority`, decisions of `dlq`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from casare_rpa.cli import bulk
from casare_rpa.infrastructure.queue import JobModel, JobNotFound, PgQueuerConsumer
from tests.cli.letters import bury

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare

pytestmark = pytest.mark.usefixtures("database")

NOTHING = "casare: nothing was done: say --yes to do it\n"


async def test_cancel_all_that_match(casare: Casare, producer: PgQueuerProducer) -> None:
    matching = await producer.enqueue_batch([JobModel(workflow="w", tags=["old"]) for _ in range(3)])
    other = await producer.enqueue_job(JobModel(workflow="w"))
    dry = await casare("jobs", "cancel", "--tag", "old", "--dry-run")
    assert set(dry.done().split()) == {str(job_id) for job_id in matching}
    assert dry.err == "casare: 3 would be cancelled\n"
    unsaid = await casare("jobs", "cancel", "--tag", "old")
    assert (unsaid.code, unsaid.out) == (2, dry.out)
    assert unsaid.err == f"casare: 3 would be cancelled\n{NOTHING}"
    assert await producer.get_job_status(matching[0]) == "PENDING"
    done = await casare("jobs", "cancel", "--tag", "old", "--yes")
    assert (done.done(), done.err) == (dry.out, "casare: 3 cancelled\n")
    assert {await producer.get_job_status(job_id) for job_id in matching} == {"CANCELLED"}
    assert await producer.get_job_status(other) == "PENDING"
    again = await casare("jobs", "cancel", "--tag", "old")
    assert (again.done(), again.err) == ("", "casare: 0 cancelled\n")
    everything = (await casare("jobs", "cancel", "--all", "--yes", "--json")).json()
    assert everything == {"count": 1, "ids": [str(other)], "dry_run": False}


@pytest.mark.parametrize(
    ("answer", "status"), [("y", "CANCELLED"), ("yes\n", "CANCELLED"), ("n", "PENDING"), ("", "PENDING")]
)
async def test_a_person_is_asked(
    casare: Casare, producer: PgQueuerProducer, monkeypatch: pytest.MonkeyPatch, answer: str, status: str
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    monkeypatch.setattr(bulk, "can_ask", lambda: True)
    outcome = await casare("jobs", "cancel", "--queue", "casare_rpa_jobs", stdin=f"{answer}\n".encode())
    assert outcome.code == 0
    assert "1 would be cancelled. Do it? [y/N]" in outcome.err
    assert await producer.get_job_status(job_id) == status


async def test_retry(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    (dead,) = await bury(producer, config)
    deferred = await producer.enqueue_job(JobModel(workflow="w", max_retries=3))
    async with PgQueuerConsumer(config, "r") as robot:
        await robot.fail_job((await robot.claim_jobs(1))[0], "e", retry_in=1000)
    fresh = await producer.enqueue_job(JobModel(workflow="w"))
    outcome = await casare("jobs", "retry", str(dead), str(deferred), str(fresh))
    assert set(outcome.out.split()) == {str(dead), str(deferred)}
    assert outcome.code == 1
    assert f"not retried: job {fresh} is PENDING, not a dead letter or a job that waits for another" in outcome.err
    assert await producer.get_queue_depth() == 2
    assert await producer.get_job_status(dead) == "PENDING"


async def test_priority(casare: Casare, producer: PgQueuerProducer) -> None:
    ids = await producer.enqueue_batch([JobModel(workflow=f"w{n}") for n in range(2)])
    assert (await casare("jobs", "priority", "urgent", str(ids[0]))).done() == f"{ids[0]}\n"
    assert (await producer.get_job(ids[0])).priority == 15
    assert (await casare("jobs", "priority", "3", "--workflow", "w1", "--yes")).done() == f"{ids[1]}\n"
    assert (await producer.get_job(ids[1])).priority == 3
    outcome = await casare("jobs", "priority", "3", unknown := str(uuid4()))
    assert outcome.complaint(1) == f"not reprioritised: there is no job {unknown}"


async def test_redrive_those_named(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    dead = [str(job_id) for job_id in await bury(producer, config, business=True, jobs=3)]
    printed = (await casare("dlq", "redrive", dead[0], dead[1], dead[0])).done()
    assert sorted(printed.split()) == sorted(dead[:2])
    job = await producer.get_job(dead[0])
    assert (job.status, job.attempt) == ("PENDING", 0)
    outcome = await casare("dlq", "redrive", dead[2], dead[1], unknown := str(uuid4()))
    assert (outcome.code, outcome.out.split()) == (1, [dead[2]])
    for words in (f"job {dead[1]} is PENDING, not a dead letter", f"there is no job {unknown}"):
        assert words in outcome.err


async def test_many_names_go_in_several_calls(
    casare: Casare, producer: PgQueuerProducer, config: QueueConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_CHUNK", 2)
    dead = [str(job_id) for job_id in await bury(producer, config, jobs=5)]
    assert set((await casare("dlq", "redrive", *dead)).done().split()) == set(dead)
    left = (await casare("dlq", "redrive", *dead, *(str(uuid4()) for _ in range(3)))).complaint(1)
    assert left.endswith("; and 3 more")


async def test_redrive_all_that_match(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    business = await bury(producer, config, business=True, jobs=5)
    exhausted = await bury(producer, config, jobs=3)
    elsewhere = await bury(producer, config, business=True, queue="r")
    unkept = config.model_copy(update={"enable_dlq": False})
    async with type(producer)(unkept) as careless:
        lost = await bury(careless, unkept, business=True)

    async def redriven(*arguments: str) -> set[str]:
        outcome = await casare("dlq", "redrive", "--yes", *arguments)
        ids = outcome.done().split()
        assert outcome.err == f"casare: {len(ids)} redriven\n"
        return set(ids)

    assert await redriven("--queue", "q", "--reason", "business") == {str(job_id) for job_id in business}
    assert await redriven("--all", "--reason", "in doubt") == set()
    assert await redriven("--all") == {str(job_id) for job_id in [*exhausted, *elsewhere]}
    assert await redriven("--all") == set()
    assert (await producer.get_job(lost[0])).status == "FAILED"


async def test_resolve(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    first, second = await bury(producer, config, jobs=2)
    assert (await casare("dlq", "resolve", str(first), "--comment", "paid by hand")).done() == f"{first}\n"
    job = await producer.get_job(first)
    assert (job.status, job.dead_letter_reason) == ("FAILED", None)
    (action,) = await producer.get_actions(first)
    assert (action.action, action.comment) == ("resolved", "paid by hand")
    assert (await casare("dlq", "resolve", "--all", "--comment", "")).code == 2
    assert (await casare("dlq", "resolve", "--queue", "q", "--comment", "so be it", "--yes")).done() == f"{second}\n"
    left = (await casare("dlq", "resolve", str(first), "--comment", "again")).complaint(1)
    assert left == f"not resolved: job {first} is FAILED, not a dead letter"


async def test_assign(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    first, second = await bury(producer, config, jobs=2)
    assert (await casare("dlq", "assign", str(first), "--to", "ann")).done() == f"{first}\n"
    (hers,) = (await casare("dlq", "list", "--assigned-to", "ann", "--json")).json()
    assert (hers["id"], hers["assigned_to"]) == (str(first), "ann")
    (free,) = (await casare("dlq", "list", "--unassigned", "--json")).json()
    assert free["id"] == str(second)
    assert (await casare("dlq", "assign", "--assigned-to", "ann", "--nobody", "--yes")).done() == f"{first}\n"
    assert len((await casare("dlq", "list", "--unassigned", "--json")).json()) == 2


async def test_purge(casare: Casare, producer: PgQueuerProducer, config: QueueConfig) -> None:
    first, second = await bury(producer, config, jobs=2)
    unsaid = await casare("dlq", "purge", str(first))  # even when it is named: nothing brings it back
    assert (unsaid.code, unsaid.err) == (2, f"casare: 1 would be purged\n{NOTHING}")
    assert (await casare("dlq", "purge", str(first), "--yes")).done() == f"{first}\n"
    for flag in ("--dry-run", "--yes", "--json"):
        gone = await casare("dlq", "purge", str(first), flag)
        assert (gone.code, gone.err.endswith(f"not purged: there is no job {first}\n")) == (1, True)
    with pytest.raises(JobNotFound):
        await producer.get_job(first)
    assert (await casare("dlq", "purge", "--all", "--yes", "--json")).json()["ids"] == [str(second)]


async def test_redriving_and_cancelling_what_runs(
    casare: Casare, producer: PgQueuerProducer, config: QueueConfig
) -> None:
    running = await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, "r") as robot:
        await robot.start_job((await robot.claim_jobs(1))[0])
        assert f"job {running} is RUNNING, not a dead letter" in (
            await casare("dlq", "redrive", str(running))
        ).complaint(1)
        assert (await casare("jobs", "cancel", "--status", "running", "--yes")).done() == f"{running}\n"
        assert (await producer.get_job(running)).cancel_requested_at is not None
