"""Puts a batch of jobs into their queues: `enqueue_jobs`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import DuplicateReference, InvalidJob
from casare_rpa.orchestrator.memory.records import Job
from casare_rpa.orchestrator.memory.templates import open_templates

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.infrastructure.queue.batches import Batch
    from casare_rpa.orchestrator.memory.store import Store

Reference = tuple[str, str, str]


def enqueue_jobs(store: Store, batch: Batch, *, each: bool, resent: bool) -> list[dict[str, Any]]:
    """Enqueue, in the order of the batch, and return a row for each job that was left out because its reference is taken.

    Raises:
        DuplicateReference: (not `each`) a reference is taken; nothing was enqueued.
        InvalidJob: something in the batch cannot be stored; nothing was enqueued.

    """
    templates = open_templates(batch.templates)
    of_job = [templates[number - 1] for number in batch.template or [1] * len(batch.ids)]
    known = {number for number, job_id in enumerate(batch.ids) if store.find(job_id) is not None}
    if known and not resent:
        raise InvalidJob("an id of this batch is taken")
    wanted, taken = _take_references(store, batch, of_job, left_out=known)
    if taken and not each:
        number = next(iter(taken))
        raise DuplicateReference((batch.references or [])[number] or "", taken[number])
    store.references.update(wanted)
    jobs = [
        _new_job(store, batch, number, template)
        for number, template in enumerate(of_job)
        if number not in known and number not in taken
    ]
    for job in jobs:
        store.put(job)
    store.events.emit("enqueued", jobs)
    return [{"ordinal": number + 1, "existing": job_id} for number, job_id in taken.items()]


def _take_references(
    store: Store, batch: Batch, of_job: list[dict[str, Any]], left_out: set[int]
) -> tuple[dict[Reference, UUID], dict[int, UUID]]:
    """Return the references that the batch takes and, by position, who has those that are taken already."""
    wanted: dict[Reference, UUID] = {}
    taken: dict[int, UUID] = {}
    asked = [
        (reference, of_job[number]["tenant_id"] or "", of_job[number]["queue_name"], number)
        for number, reference in enumerate(batch.references or ())
        if reference is not None and number not in left_out
    ]
    for reference, tenant, queue, number in sorted(asked):
        key = (tenant, queue, reference)
        owner = store.references.get(key) or wanted.get(key)
        if owner is not None:
            taken[number] = owner
        else:
            wanted[key] = batch.ids[number]
    return wanted, taken


def _new_job(store: Store, batch: Batch, number: int, template: dict[str, Any]) -> Job:
    now = store.clock.now()
    run_at = batch.run_ats[number] if batch.run_ats else None
    return Job(
        id=batch.ids[number],
        seq=store.next_place(),
        route=store.route(
            template["queue_name"], template["tenant_id"], _text(template["requirements"]), template["priority"]
        ),
        created_at=now,
        workflow=template["workflow"],
        payload=batch.payloads[number],
        reference=batch.references[number] if batch.references else None,
        run_at=run_at,
        max_retries=template["max_retries"],
        retry_delay=float(template["retry_delay"]),
        visibility_timeout=template["visibility_timeout"],
        time_limit=template["time_limit"],
        on_crash=template["on_crash"],
        enable_dlq=template["enable_dlq"],
        tags=template["tags"],
        metadata=_text(template["metadata"]),
        deferred=run_at is not None and run_at > now,
    )


def _text(document: dict[str, Any] | None) -> str | None:
    return None if document is None else json.dumps(document, ensure_ascii=False)
