"""The numbers over HTTP, and those that only the database knows."""

from __future__ import annotations

import asyncio
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import generate_latest

from casare_rpa.infrastructure.queue import ConfigError, JobModel, PgQueuerProducer
from casare_rpa.infrastructure.telemetry import QueueCollector, serve_metrics
from tests.waiting import eventually


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server's address
        return str(answer.read().decode())


async def test_depths_are_asked_for_when_somebody_looks(config, producer, registry):
    registry.register(QueueCollector(producer, ["casare_rpa_jobs", "empty"]))
    await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
    await producer.enqueue_job(JobModel(workflow="w", run_at=datetime.now(UTC) + timedelta(hours=1)))
    await producer.pause_queue()

    def serve_and_get() -> str:
        with serve_metrics(0, registry=registry) as server:
            assert server.url.startswith("http://127.0.0.1:")
            return get(server.url)

    shown = await asyncio.to_thread(serve_and_get)
    assert 'casare_queue_depth{queue="casare_rpa_jobs"} 3.0' in shown
    assert 'casare_queue_depth{queue="empty"} 0.0' in shown
    assert 'casare_queue_jobs{queue="casare_rpa_jobs",state="deferred"} 1.0' in shown
    assert 'casare_queue_jobs{queue="casare_rpa_jobs",state="dead_letters"} 0.0' in shown
    assert 'casare_queue_paused{queue="casare_rpa_jobs"} 1.0' in shown
    assert 'casare_queue_paused{queue="empty"} 0.0' in shown
    assert 'casare_queue_oldest_seconds{queue="empty"} 0.0' in shown
    assert 'casare_queue_oldest_seconds{queue="casare_rpa_jobs"} 0.0\n' not in shown
    assert "casare_queue_up 1.0" in shown


async def test_inside_the_producers_loop_the_last_answer_is_shown(producer, registry, value):
    registry.register(QueueCollector(producer, ["casare_rpa_jobs"]))
    await producer.enqueue_job(JobModel(workflow="w"))
    assert value("casare_queue_depth") is None
    await eventually(lambda: value("casare_queue_depth") == 1)


async def test_a_database_that_does_not_answer_costs_the_others_nothing(config, registry, metrics, value):
    async with PgQueuerProducer(config, metrics=metrics) as producer:
        registry.register(QueueCollector(producer, ["casare_rpa_jobs"]))
        await producer.enqueue_job(JobModel(workflow="w"))
    shown = (await asyncio.to_thread(generate_latest, registry)).decode()
    assert "casare_queue_up 0.0" in shown
    assert "casare_queue_depth{" not in shown
    assert value("casare_jobs_enqueued_total") == 1


async def test_a_loop_that_has_ended_has_no_depths(config, registry):
    def make() -> QueueCollector:
        async def open_and_close() -> QueueCollector:
            async with PgQueuerProducer(config) as producer:
                return QueueCollector(producer, ["q"])

        return asyncio.run(open_and_close())

    registry.register(await asyncio.to_thread(make))
    assert "casare_queue_up 0.0" in (await asyncio.to_thread(generate_latest, registry)).decode()


async def test_a_collector_wants_some_queues_and_not_too_many(producer):
    for queues in ([], [f"q{number}" for number in range(101)]):
        with pytest.raises(ConfigError, match="1 to 100 queues"):
            QueueCollector(producer, queues)


def test_a_port_that_is_taken_is_named(registry):
    with serve_metrics(0, registry=registry) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}"):
            serve_metrics(port, registry=registry)
    with serve_metrics(port, registry=registry) as again:
        assert get(again.url) == ""


def test_a_host_that_is_none_is_named(registry):
    with pytest.raises(ConfigError, match="no such place"):
        serve_metrics(0, "no such place", registry)


async def test_a_collector_is_made_inside_the_loop(producer):
    with pytest.raises(ConfigError, match="inside the event loop"):
        await asyncio.to_thread(QueueCollector, producer, ["q"])


async def test_a_few_queues_are_asked_for_by_name(producer, registry, monkeypatch):
    """Other queues, however many, cost nothing then."""
    await producer.enqueue_job(JobModel(workflow="w"))

    async def list_queues():
        raise AssertionError("all queues were asked for")

    monkeypatch.setattr(producer, "list_queues", list_queues)
    registry.register(QueueCollector(producer, ["casare_rpa_jobs", "empty"]))
    shown = (await asyncio.to_thread(generate_latest, registry)).decode()
    assert 'casare_queue_depth{queue="casare_rpa_jobs"} 1.0' in shown
    assert 'casare_queue_depth{queue="empty"} 0.0' in shown
