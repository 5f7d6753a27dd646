"""Ends attempts: `settle_jobs`, `end_attempt` and what follows from them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from casare_rpa.foundation.errors import InvalidJob
from casare_rpa.orchestrator.memory.records import Attempt, token_hash
from casare_rpa.orchestrator.memory.store import later

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from casare_rpa.infrastructure.queue.calls import SettleArguments
    from casare_rpa.orchestrator.memory.records import Job
    from casare_rpa.orchestrator.memory.store import Store

CRASHES = 3
"""Crashes that put a job into quarantine."""
LONGEST_DELAY = 300.0
"""Seconds before a retry, at most, jitter aside."""


def settle_jobs(store: Store, settle: SettleArguments) -> list[dict[str, Any]]:
    """Settle, each under its lease token, and return a row for each job that did not complete.

    Its status now, or None when the lease was lost; a settlement sent again gets the answer of the first time.

    Raises:
        InvalidJob: an outcome that there is not; nothing was settled.

    """
    for outcome in settle.outcomes or ():
        if outcome not in ("completed", "failed", "business", "released"):
            raise InvalidJob(f'an attempt ends completed, failed, business or released, not "{outcome}"')
    answers = (_settle(store, settle, number) for number in range(len(settle.ids)))
    return [{"ordinal": number, "status": status} for number, status in enumerate(answers, 1) if status != "COMPLETED"]


def _settle(store: Store, settle: SettleArguments, number: int) -> str | None:
    job_id, token = settle.ids[number], settle.tokens[number]
    outcome = settle.outcomes[number] if settle.outcomes else "completed"
    job = store.held_under(job_id, token)
    if job is None:
        return _settled_before(store, job_id, token, outcome)
    now = store.clock.now()
    if outcome == "completed":
        job.result = settle.results[number] if settle.results else None
        job.error, job.token_hash = None, token_hash(token)
        archive(store, job, now, "COMPLETED")
        store.events.emit("completed", [job])
        return "COMPLETED"
    error = settle.errors[number] if settle.errors else None
    retry_in = settle.retry_ins[number] if settle.retry_ins else None
    return end_attempt(store, job, now, outcome, error, retry_in, enable_dlq=settle.enable_dlq)


def _settled_before(store: Store, job_id: UUID, token: UUID, outcome: str) -> str | None:
    """Return the answer that a settlement got the first time, or None when this token never settled so."""
    ended, digest = store.history.get(job_id), token_hash(token)
    if outcome == "completed" and ended is not None and ended.status == "COMPLETED" and ended.token_hash == digest:
        return "COMPLETED"
    for attempt in store.attempts.get(job_id, ()):
        asked = attempt.outcome == "cancelled" and attempt.started_at is not None and outcome != "completed"
        if attempt.token_hash == digest and (attempt.outcome == outcome or asked):
            return attempt.status
    return None


def end_attempt(
    store: Store,
    job: Job,
    now: datetime,
    outcome: str,
    error: str | None = None,
    retry_in: float | None = None,
    *,
    enable_dlq: bool = True,
) -> str:
    """Decide what becomes of a job whose attempt ended without completing it, do it, and return its status."""
    job.crashes += outcome == "expired"
    reason = None
    if job.cancel_requested_at is not None:
        recorded, status = "cancelled", "CANCELLED"
    else:
        reason = _dead_letter_reason(job, outcome)
        recorded, status = outcome, "FAILED" if reason else "PENDING"
    _record(store, job, now, recorded, error, status)
    job.error = error if error is not None else job.error
    if status != "CANCELLED":
        store.events.emit(recorded, [job], status)
    if status == "PENDING":
        _put_back(store, job, now, outcome, retry_in)
    elif reason is not None and job.enable_dlq and enable_dlq:
        _bury(store, job, now, reason)
    else:
        archive(store, job, now, status)
    return status


def archive(store: Store, job: Job, now: datetime, status: str) -> None:
    """Move a job into history. A cancelled job's reference is free again."""
    store.remove(job)
    forget_lease(job)
    job.status, job.finished_at = status, now
    store.history[job.id] = job
    if status == "CANCELLED":
        store.events.emit("cancelled", [job])
        store.free_reference(job)


def _record(store: Store, job: Job, now: datetime, outcome: str, error: str | None, status: str) -> None:
    store.attempts.setdefault(job.id, []).append(
        Attempt(
            attempt=job.attempt,
            robot=job.claimed_by,
            claimed_at=job.claimed_at,
            started_at=job.started_at,
            ended_at=now,
            outcome=outcome,
            error=error,
            status=status,
            token_hash=token_hash(job.lease_token),
        )
    )


def _dead_letter_reason(job: Job, outcome: str) -> str | None:
    """Say why a job that ended so must not run again by itself, or None when it may."""
    if outcome in ("released", "business"):
        return "business" if outcome == "business" else None
    if outcome == "expired":
        if job.on_crash != "retry" and job.started_at is not None:
            return "in doubt" if job.on_crash == "hold" else "crashed"
        if job.crashes >= CRASHES:
            return "quarantined"
    return "exhausted" if job.attempt >= job.max_retries else None


def _put_back(store: Store, job: Job, now: datetime, outcome: str, retry_in: float | None) -> None:
    """Back to PENDING. A release gives the attempt back and keeps the place; a retry waits its delay and goes to the end."""
    delay = 0.0
    if outcome == "failed":
        delay = _retry_backoff(job.retry_delay, job.attempt) if retry_in is None else retry_in
    if outcome == "released":
        job.attempt -= 1
    else:
        job.seq = store.next_place()
    job.deferred = delay > 0
    if job.deferred:
        job.run_at = later(now, delay)
    forget_lease(job)
    job.claimed_by = job.claimed_at = job.started_at = None
    job.status = "PENDING"
    store.put(job)
    if not job.deferred:
        store.hub.announce(job.queue_name, 1)


def _bury(store: Store, job: Job, now: datetime, reason: str) -> None:
    """Move a job to the dead letters, for a person to look at."""
    store.remove(job)
    forget_lease(job)
    job.status, job.reason, job.finished_at = "FAILED", reason, now
    store.dead[job.id] = job


def forget_lease(job: Job) -> None:
    """End the lease of a job."""
    job.lease_token = job.lease_expires_at = job.lease_seconds = job.incarnation = job.request = None


def _retry_backoff(retry_delay: float, attempt: int) -> float:
    """Return the seconds before the next attempt: doubled by each attempt, give or take a fifth."""
    delay = min(retry_delay * 2 ** (min(attempt, 30) - 1), LONGEST_DELAY)
    return float(delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
