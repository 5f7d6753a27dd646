"""A trace leads from the code that enqueues into the handler, across the database, whoever wrote the row."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from casare_rpa.cli.handlers import Handler
from casare_rpa.infrastructure.queue import DuplicateReference, JobModel, PgQueuerConsumer, PgQueuerSyncProducer
from casare_rpa.infrastructure.queue.batches import BatchBuilder
from tests.telemetry.conftest import set_provider
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tests.telemetry.conftest import Lines

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


async def work_off(config, producer, handle: Callable[[JobModel], Any], *ids) -> None:
    """Let a robot do these jobs to their ends."""
    async with PgQueuerConsumer(config, "r1") as robot:
        working = asyncio.create_task(robot.run(handle))
        for job_id in ids:
            await eventually(partial(ended, producer, job_id))
        await robot.stop()
        await working


async def ended(producer, job_id) -> bool:
    return bool((await producer.get_job_status(job_id)).is_final)


async def do_nothing(_: JobModel) -> None: ...


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def ids_of(span: ReadableSpan) -> tuple[str, str]:
    return trace.format_trace_id(span.context.trace_id), trace.format_span_id(span.context.span_id)


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    if span.parent is None:
        return None
    return trace.format_trace_id(span.parent.trace_id), trace.format_span_id(span.parent.span_id)


async def test_a_trace_leads_from_the_caller_into_the_handler(config, producer, connection, spans):
    async def handle(_: JobModel) -> None:
        with trace.get_tracer("mine").start_as_current_span("inside"):
            pass

    model = JobModel(workflow="w", payload={"secret": "do-not-record"}, metadata={"customer": 7})
    with trace.get_tracer("mine").start_as_current_span("outside"):
        job_id = await producer.enqueue_job(model)
    await work_off(config, producer, handle, job_id)
    (outside,), (inside,) = named(spans, "outside"), named(spans, "inside")
    (enqueue,), (process,) = named(spans, "enqueue casare_rpa_jobs"), named(spans, "process casare_rpa_jobs")
    chain = [outside, enqueue, process, inside]
    assert [parent_of(span) for span in chain] == [None, *map(ids_of, chain[:-1])]
    assert list(process.links) == []
    assert (enqueue.kind, process.kind) == (trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER)
    assert said(enqueue) == {
        "messaging.system": "casare_rpa",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": "casare_rpa_jobs",
        "messaging.batch.message_count": 1,
        "messaging.message.id": str(job_id),
    }
    assert said(process) == {
        "messaging.system": "casare_rpa",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "casare_rpa_jobs",
        "messaging.message.id": str(job_id),
        "messaging.client.id": "r1",
        "casare.workflow": "w",
        "casare.attempt": 1,
        "casare.outcome": "completed",
    }
    assert "do-not-record" not in "".join(span.to_json() for span in spans.get_finished_spans())
    row = json.loads(await connection.fetchval("SELECT metadata::text FROM pgqueuer.all_jobs WHERE id = $1", job_id))
    assert row == {"customer": 7, "traceparent": f"00-{'-'.join(ids_of(enqueue))}-{row['traceparent'][-2:]}"}
    assert model.metadata == {"customer": 7}


async def test_a_function_in_a_thread_is_in_the_trace_too(config, producer, spans):
    def handle(_: JobModel) -> str:
        return trace.format_span_id(trace.get_current_span().get_span_context().span_id)

    job_id = await producer.enqueue_job(JobModel(workflow="w"))
    await work_off(config, producer, Handler(handle), job_id)
    (process,) = named(spans, "process casare_rpa_jobs")
    assert (await producer.get_job(job_id)).result == ids_of(process)[1]


async def test_handlers_that_run_at_once_have_each_their_own_span(config, producer, spans):
    gate = asyncio.Barrier(3)

    async def handle(_: JobModel) -> str:
        await gate.wait()
        return trace.format_span_id(trace.get_current_span().get_span_context().span_id)

    ids = await producer.enqueue_batch([JobModel(workflow="w") for _ in range(3)])
    await work_off(config, producer, handle, *ids)
    of_job = {said(span)["messaging.message.id"]: ids_of(span)[1] for span in named(spans, "process casare_rpa_jobs")}
    assert {str(job_id): (await producer.get_job(job_id)).result for job_id in ids} == of_job


async def test_a_blocking_producer_goes_on_with_its_callers_trace(config, producer, spans):
    def enqueue() -> None:
        with (
            PgQueuerSyncProducer(config) as blocking,
            trace.get_tracer("mine").start_as_current_span("outside"),
        ):
            blocking.enqueue_job(JobModel(workflow="w"))

    await asyncio.to_thread(enqueue)
    (outside,), (enqueued,) = named(spans, "outside"), named(spans, "enqueue casare_rpa_jobs")
    assert parent_of(enqueued) == ids_of(outside)


async def test_what_a_handler_enqueues_is_in_the_same_trace(config, producer, spans):
    follow_up = []

    async def handle(job: JobModel) -> None:
        if job.workflow == "first":
            follow_up.append(await producer.enqueue_job(JobModel(workflow="second")))

    first = await producer.enqueue_job(JobModel(workflow="first"))
    await work_off(config, producer, handle, first)
    await work_off(config, producer, handle, *follow_up)
    chain = [span for span in spans.get_finished_spans() if span.name.startswith(("enqueue", "process"))]
    chain.sort(key=lambda span: span.start_time or 0)
    assert [parent_of(span) for span in chain] == [None, *map(ids_of, chain[:-1])]


async def test_one_span_and_one_template_for_a_batch(config, producer, connection, spans):
    models = [JobModel(workflow="w") for _ in range(5)] + [JobModel(workflow="w", queue_name="q")]
    ids = await producer.enqueue_batch(models)
    (enqueue,) = named(spans, "enqueue")
    assert said(enqueue)["messaging.batch.message_count"] == 6
    assert "messaging.destination.name" not in said(enqueue)
    assert "messaging.message.id" not in said(enqueue)
    found = await connection.fetch(
        "SELECT DISTINCT metadata ->> 'traceparent' FROM pgqueuer.jobs WHERE id = ANY($1)", ids
    )
    assert [row[0][3:52] for row in found] == ["-".join(ids_of(enqueue))]
    builder = BatchBuilder(config, 1000, {"traceparent": TRACEPARENT})
    for model in models[:5]:
        builder.add(model)
    batch = builder.build()
    assert batch.template is None
    assert len(json.loads(batch.templates)) == 1


async def test_plain_sql_can_set_the_trace(config, producer, connection, spans):
    job_id = await connection.fetchval(
        "SELECT pgqueuer.enqueue_job('w', p_options => jsonb_build_object('metadata', $1::text::jsonb))",
        json.dumps({"traceparent": TRACEPARENT, "tracestate": "vendor=1"}),
    )
    await work_off(config, producer, do_nothing, job_id)
    (process,) = named(spans, "process casare_rpa_jobs")
    assert parent_of(process) == (TRACE, PARENT)
    assert process.context.trace_state.get("vendor") == "1"


async def test_a_trace_of_a_later_version_is_understood(config, producer, spans):
    job_id = await producer.enqueue_job(JobModel(workflow="w", metadata={"traceparent": f"01{TRACEPARENT[2:]}-more"}))
    await work_off(config, producer, do_nothing, job_id)
    (process,) = named(spans, "process casare_rpa_jobs")
    assert parent_of(process) == (TRACE, PARENT)


@pytest.mark.parametrize(
    "own", [{"traceparent": TRACEPARENT}, {"tracestate": "vendor=1"}, {"traceparent": "none of ours"}]
)
async def test_a_job_that_carries_a_trace_is_left_alone(producer, spans, own):
    job_id = await producer.enqueue_job(JobModel(workflow="w", metadata=own))
    assert (await producer.get_job(job_id)).metadata == own


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        7,
        None,
        [TRACEPARENT],
        {"traceparent": TRACEPARENT},
        TRACEPARENT.upper(),
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{TRACEPARENT}-more",
        "01" + TRACEPARENT[2:] + "-" + "x" * 5000,
        f"00-{TRACE}-{PARENT}\n-01",
    ],
)
async def test_a_trace_that_is_malformed_is_ignored(config, producer, spans, lines: Lines, traceparent):
    job_id = await producer.enqueue_job(
        JobModel(workflow="w", metadata={"traceparent": traceparent, "tracestate": "a=1"})
    )
    await work_off(config, producer, do_nothing, job_id)
    (process,) = named(spans, "process casare_rpa_jobs")
    assert (process.parent, list(process.links)) == (None, [])
    assert lines("tracing_failed") == []


async def test_a_failed_attempt_says_why_and_its_retry_is_below_the_same_parent(config, producer, spans):
    async def handle(job: JobModel) -> None:
        if job.attempt == 1:
            raise ValueError("the system was down\nand it said: do-not-record")

    job_id = await producer.enqueue_job(JobModel(workflow="w", retry_delay=0))
    await work_off(config, producer, handle, job_id)
    first, second = named(spans, "process casare_rpa_jobs")
    (enqueue,) = named(spans, "enqueue casare_rpa_jobs")
    assert parent_of(first) == parent_of(second) == ids_of(enqueue)
    assert [link.context.span_id for link in second.links] == [enqueue.context.span_id]
    assert [said(span)["casare.attempt"] for span in (first, second)] == [1, 2]
    assert said(first)["casare.outcome"] == "failed"
    assert said(first)["error.type"] == "ValueError"
    assert first.status.status_code is trace.StatusCode.ERROR
    (event,) = first.events
    assert (event.name, dict(event.attributes or {})) == (
        "exception",
        {"exception.type": "ValueError", "exception.message": "the system was down"},
    )
    assert second.status.status_code is trace.StatusCode.UNSET
    assert "do-not-record" not in first.to_json()


async def test_an_attempt_that_is_too_long_or_is_cancelled(config, producer, spans):
    async def hang(_: JobModel) -> None:
        await asyncio.Event().wait()

    late = await producer.enqueue_job(JobModel(workflow="late", time_limit=0.05, max_retries=1))
    cancelled = await producer.enqueue_job(JobModel(workflow="cancelled"))

    async def cancel() -> None:
        await eventually(lambda: runs(producer, cancelled))
        await producer.cancel_job(cancelled)

    await asyncio.gather(cancel(), work_off(config, producer, hang, late, cancelled))
    outcomes = {said(span)["casare.workflow"]: span for span in named(spans, "process casare_rpa_jobs")}
    assert said(outcomes["late"])["casare.outcome"] == "failed"
    assert outcomes["late"].status.status_code is trace.StatusCode.ERROR
    assert said(outcomes["cancelled"])["casare.outcome"] == "released"
    assert outcomes["cancelled"].status.status_code is trace.StatusCode.UNSET


async def runs(producer, job_id) -> bool:
    return bool((await producer.get_job_status(job_id)).value == "RUNNING")


async def test_an_enqueue_that_fails_says_so(producer, spans):
    await producer.enqueue_job(JobModel(workflow="w", reference="taken"))
    with pytest.raises(DuplicateReference):
        await producer.enqueue_job(JobModel(workflow="w", reference="taken"))
    failed = named(spans, "enqueue casare_rpa_jobs")[1]
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert said(failed)["error.type"] == "DuplicateReference"
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_trace_that_is_not_sampled_is_not_sampled_in_the_handler(config, producer):
    set_provider(TracerProvider(sampler=ALWAYS_OFF))
    try:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        seen = []

        async def handle(_: JobModel) -> None:
            seen.append(trace.get_current_span().get_span_context())

        await work_off(config, producer, handle, job_id)
    finally:
        set_provider(None)
    traceparent = (await producer.get_job(job_id)).metadata["traceparent"]
    assert traceparent[3:35] == trace.format_trace_id(seen[0].trace_id)
    assert not seen[0].trace_flags.sampled


class Broken(SpanProcessor):
    def on_start(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("the exporter is broken")


async def test_tracing_that_is_broken_harms_no_job(config, producer, lines: Lines):
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    set_provider(provider)
    try:
        job_id = await producer.enqueue_job(JobModel(workflow="w"))
        await work_off(config, producer, do_nothing, job_id)
    finally:
        set_provider(None)
    assert await producer.get_job_status(job_id) == "COMPLETED"
    assert {line["error"] for line in lines("tracing_failed")} == {"RuntimeError: the exporter is broken"}


async def test_without_a_provider_nothing_is_added_and_a_trace_is_passed_on(config, producer, lines: Lines):
    plain = await producer.enqueue_job(JobModel(workflow="w"))
    traced = await producer.enqueue_job(JobModel(workflow="w", metadata={"traceparent": TRACEPARENT}))
    seen = {}

    async def handle(job: JobModel) -> None:
        seen[job.id] = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)

    await work_off(config, producer, handle, plain, traced)
    assert (await producer.get_job(plain)).metadata == {}
    assert seen == {plain: "0" * 32, traced: TRACE}
    traces = {line["job_id"]: line.get("trace_id") for line in lines("job_settled")}
    assert traces == {str(plain): None, str(traced): TRACE}


def test_a_program_that_does_not_import_opentelemetry_does_not_get_it():
    program = """
import asyncio, sys
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer, PgQueuerProducer
from casare_rpa.orchestrator.job_queue import JobQueue

async def main():
    queue = JobQueue()
    async with queue.producer() as producer, queue.consumer("r") as robot:
        await producer.enqueue_job(JobModel(workflow="w", metadata={"traceparent": sys.argv[1]}))
        done = asyncio.Event()
        async def handle(job):
            done.set()
        working = asyncio.create_task(robot.run(handle))
        await done.wait()
        await robot.stop()
        await working

asyncio.run(main())
print([name for name in sys.modules if name.startswith(("opentelemetry", "prometheus_client"))])
"""
    done = subprocess.run([sys.executable, "-c", program, TRACEPARENT], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
