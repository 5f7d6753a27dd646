"""What is counted is what happened."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from casare_rpa.infrastructure.queue import BusinessError, JobModel, LeaseLost, PgQueuerConsumer, PgQueuerProducer
from casare_rpa.infrastructure.telemetry import enable_metrics
from casare_rpa.infrastructure.telemetry.names import MOST_NAMES
from tests.waiting import eventually

if TYPE_CHECKING:
    from casare_rpa.infrastructure.telemetry import Metrics


async def handle(job: JobModel) -> None:
    match job.workflow:
        case "fails":
            raise ValueError("the system was down")
        case "bad":
            raise BusinessError("bad data")


async def test_jobs_are_counted_from_the_enqueue_to_the_settlement(config, metrics, value):
    async with (
        PgQueuerProducer(config, metrics=metrics) as producer,
        PgQueuerConsumer(config, "r", metrics=metrics) as robot,
    ):
        await producer.enqueue_batch([JobModel(workflow=name) for name in ("works", "works", "bad")])
        await producer.enqueue_job(JobModel(workflow="fails", max_retries=2, retry_delay=0))
        working = asyncio.create_task(robot.run(handle))
        await eventually(lambda: value("casare_jobs_settled_total", workflow="fails", outcome="failed"))
        await robot.stop()
        await working
    assert value("casare_jobs_enqueued_total") == 4
    assert value("casare_jobs_claimed_total") == 5
    assert value("casare_jobs_settled_total", workflow="works", outcome="completed") == 2
    assert value("casare_jobs_settled_total", workflow="bad", outcome="failed") == 1
    assert value("casare_jobs_settled_total", workflow="fails", outcome="retried") == 1
    assert value("casare_job_duration_seconds_count", workflow="fails") == 2
    assert value("casare_job_wait_seconds_count") == 4
    waited = value("casare_job_wait_seconds_sum")
    assert waited is not None
    assert 0 < waited < 40
    assert value("casare_claims_total", result="jobs") >= 2
    assert value("casare_heartbeats_total", result="answered") >= 1


async def test_empty_claims_are_counted_and_so_is_what_is_settled_by_hand(config, producer, metrics, value):
    async with PgQueuerConsumer(config, "r", metrics=metrics) as robot:
        assert await robot.claim_job() is None
        assert value("casare_claims_total", result="empty") == 1
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
        done, released, held = await robot.claim_jobs(3)
        await robot.complete_job(done)
        await robot.release_job(released)
        assert value("casare_jobs_settled_total", workflow="w", outcome="completed") == 1
        assert value("casare_jobs_settled_total", workflow="w", outcome="released") == 1
        assert held.attempt == 1
    assert value("casare_jobs_settled_total", workflow="other", outcome="released") == 1
    assert value("casare_job_duration_seconds_count", workflow="w") is None


async def test_a_job_that_was_there_already_is_not_counted_as_enqueued(config, metrics, value):
    async with PgQueuerProducer(config, metrics=metrics) as producer:
        await producer.enqueue_job(JobModel(workflow="w", reference="a"))
        models = [JobModel(workflow="w", reference=word) for word in ("a", "b")]
        await producer.enqueue_batch([*models, JobModel(workflow="w", queue_name="q")], mode="each")
    assert value("casare_jobs_enqueued_total") == 2
    assert value("casare_jobs_enqueued_total", queue="q") == 1


async def test_lost_leases_are_counted_once_each(config, producer, connection, metrics, value):
    async with PgQueuerConsumer(config, "r", metrics=metrics) as robot:
        await producer.enqueue_batch([JobModel(workflow="w") for _ in range(2)])
        by_hand = await robot.claim_job()
        assert by_hand is not None
        running = asyncio.Event()

        async def hang(_: JobModel) -> None:
            running.set()
            await asyncio.Event().wait()

        working = asyncio.create_task(robot.run(hang))
        await running.wait()
        await connection.execute("UPDATE pgqueuer.jobs SET lease_token = gen_random_uuid()")
        with pytest.raises(LeaseLost):
            await robot.complete_job(by_hand)
        robot._lifeline.beat_now()
        await eventually(lambda: value("casare_leases_lost_total") == 2)
        await robot.stop()
        await working
    assert value("casare_leases_lost_total") == 2
    assert value("casare_jobs_settled_total", workflow="w", outcome="completed") is None


async def test_slots_of_all_robots_are_added_up_and_go_with_them(config, producer, metrics, value):
    await producer.enqueue_job(JobModel(workflow="w"))
    async with PgQueuerConsumer(config, "a", metrics=metrics) as robot:
        async with PgQueuerConsumer(config, "b", metrics=metrics):
            assert await robot.claim_job()
            assert value("casare_slots") == 6
            assert value("casare_slots_busy") == 1
        assert value("casare_slots") == 3
    assert value("casare_slots") is None


def test_names_are_bounded_however_many_are_invented(metrics: Metrics, registry: CollectorRegistry):
    for number in range(10 * MOST_NAMES):
        metrics.enqueued({f"queue {number}": 1})
        metrics.settled("queue 0", f"workflow {number}", "completed")
        metrics.settled(f"queue {number}", f"workflow {number}", "completed", 0.1)
    families = {family.name: family for family in registry.collect()}
    enqueued = {sample.labels["queue"]: sample.value for sample in families["casare_jobs_enqueued"].samples}
    assert len(enqueued) == MOST_NAMES + 1
    assert enqueued["other"] == 9 * MOST_NAMES
    settled = [sample for sample in families["casare_jobs_settled"].samples if sample.labels["workflow"] == "other"]
    assert sum(sample.value for sample in settled) > 8 * MOST_NAMES
    series = sum(len(family.samples) for family in registry.collect())
    metrics.settled("yet another", "yet another", "completed")
    metrics.settled("yet another", "yet another one", "completed")
    assert sum(len(family.samples) for family in registry.collect()) <= series + 1


def test_names_that_mean_something_to_the_format_are_harmless(metrics: Metrics, registry: CollectorRegistry):
    name = 'a"} 7\n# TYPE \\ \x1b[31m'
    metrics.settled("q", name, "completed")
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    (sample,) = [sample for family in families for sample in family.samples if "settled" in sample.name]
    assert (sample.labels["workflow"], sample.value) == (name, 1.0)


def test_a_registry_has_one_metrics_and_another_has_its_own(registry: CollectorRegistry):
    assert enable_metrics(registry) is enable_metrics(registry)
    assert enable_metrics(CollectorRegistry()) is not enable_metrics(registry)


def test_names_that_are_taken_are_refused():
    registry = CollectorRegistry(auto_describe=True)
    Counter("casare_claims", "somebody else's", registry=registry)
    with pytest.raises(ValueError, match="casare_claims"):
        enable_metrics(registry)


def test_nothing_is_lost_between_threads(metrics: Metrics, registry: CollectorRegistry):
    def count() -> None:
        for number in range(2000):
            metrics.settled("q", "w", "completed", number)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        generate_latest(registry)
    labels = {"queue": "q", "workflow": "w"}
    assert registry.get_sample_value("casare_jobs_settled_total", {**labels, "outcome": "completed"}) == 8000
    assert registry.get_sample_value("casare_job_duration_seconds_count", labels) == 8000
    assert registry.get_sample_value("casare_job_duration_seconds_bucket", {**labels, "le": "1.0"}) == 8
    assert registry.get_sample_value("casare_job_duration_seconds_sum", labels) == 4 * sum(range(2000))
