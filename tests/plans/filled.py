"""Databases with so many waiting jobs, mixed as a fleet's are: one statement fills a table, since a million must not take long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

SIZES = (10, 10_000, 1_000_000)

_UNLOGGED = """
SET search_path = pgqueuer, pg_temp;
ALTER TABLE jobs SET UNLOGGED;
ALTER TABLE dead_letter_queue SET UNLOGGED;
ALTER TABLE job_references SET UNLOGGED;
"""
"""What is written to a log beside would take as much room again, and no plan depends on it."""

_BY_HAND = """
ALTER TABLE jobs SET (autovacuum_enabled = off);
ALTER TABLE dead_letter_queue SET (autovacuum_enabled = off);
"""
"""Statistics come when a test says so."""

# 100 kinds of batches: 40 of the queue `invoices`, over three tenants, two requirements and four priorities; 40 of `letters`,
# which has one route; one of each of 20 small queues. Every tenth batch is deferred. The jobs of a batch lie side by side.
_MIX = """
CREATE TABLE mix AS
SELECT k, q.queue, q.tenant, q.requirements, q.priority, intern_route(q.queue, q.tenant, q.requirements, q.priority) AS route
  FROM (SELECT k, CASE WHEN k < 40 THEN 'invoices' WHEN k < 80 THEN 'letters' ELSE 'queue ' || k END AS queue,
               CASE WHEN k NOT BETWEEN 40 AND 79 THEN (ARRAY[NULL, 'acme', 'globex'])[1 + k % 3] END AS tenant,
               CASE WHEN k < 40 AND k % 5 = 0 THEN '{"capabilities": ["sap"]}'::jsonb END AS requirements,
               CASE WHEN k < 40 THEN (ARRAY[0, 5, 10, 20])[1 + k / 3 % 4] ELSE 5 END AS priority
          FROM generate_series(0, 99) k) q
"""

_BATCHES = """
SELECT n, n / greatest($1 / 10000, 1) AS b, n / greatest($1 / 10000, 1) * 37 % 100 AS k,
       now() - ($1 + 1 - n) * interval '1 millisecond' AS created_at,
       (overlay(overlay(md5('{kind}' || n) PLACING lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - $1 - 1 + n), 12, '0')
                        FROM 1 FOR 12) PLACING '7' FROM 13 FOR 1))::uuid AS id
  FROM generate_series(1, $2) n
"""
"""$1 is how many jobs wait in all: their ids are a millisecond apart and end now; $2 how many are made."""

_JOBS = f"""
INSERT INTO jobs (id, seq, route_id, created_at, run_at, deferred, status, priority, queue_name, workflow, tenant_id, reference,
                  tags, metadata, requirements, max_retries, retry_delay, on_crash, payload)
SELECT g.id, g.n, m.route, g.created_at, CASE WHEN g.b % 10 = 9 THEN now() + (1 + g.n % 1000) * interval '1 hour' END,
       g.b % 10 = 9, 'PENDING', m.priority, m.queue, 'workflow ' || g.b % 7, m.tenant, CASE WHEN g.b % 20 = 0 THEN 'R-' || g.n END,
       CASE WHEN g.b % 50 = 0 THEN ARRAY['month end'] END, jsonb_build_object('branch', g.b % 50), m.requirements, 3, 5, 'retry',
       jsonb_build_object('invoice', g.n, 'supplier', 'supplier ' || g.n % 1000)
  FROM ({_BATCHES.format(kind="waits")}) g JOIN mix m ON m.k = g.k ORDER BY g.n
"""

_REFERENCES = """
INSERT INTO job_references (tenant_id, queue_name, reference, job_id)
SELECT coalesce(j.tenant_id, ''), j.queue_name, j.reference, j.id FROM jobs j WHERE j.reference IS NOT NULL
"""

_DEAD = f"""
INSERT INTO dead_letter_queue (id, seq, created_at, claimed_at, started_at, finished_at, retry_delay, max_retries, attempt, crashes,
                               priority, enable_dlq, reason, queue_name, workflow, on_crash, tenant_id, metadata, requirements,
                               error, payload, error_shape, assigned_to)
SELECT g.id, g.n, g.created_at, g.created_at, g.created_at, g.created_at, 5, 3, 3, 0, m.priority, true,
       (ARRAY['exhausted', 'business'])[1 + g.b % 2], m.queue, 'workflow ' || g.b % 7, 'retry', m.tenant,
       jsonb_build_object('branch', g.b % 50), m.requirements, 'the form has no field ' || g.n,
       jsonb_build_object('invoice', g.n), 'the form has no field <n>', CASE WHEN g.b % 9 = 0 THEN 'ann' END
  FROM ({_BATCHES.format(kind="is dead")}) g JOIN mix m ON m.k = g.k ORDER BY g.n
"""

_HISTORY = f"""
INSERT INTO job_history (id, seq, created_at, claimed_at, started_at, finished_at, retry_delay, status, max_retries, attempt,
                         crashes, priority, queue_name, workflow, on_crash, tenant_id, claimed_by, metadata, requirements, payload)
SELECT g.id, g.n, g.created_at, g.created_at, g.created_at, g.created_at, 5, 'COMPLETED', 3, 1, 0, m.priority, m.queue,
       'workflow ' || g.b % 7, 'retry', m.tenant, 'robot ' || g.b % 40, jsonb_build_object('branch', g.b % 50), m.requirements,
       jsonb_build_object('invoice', g.n)
  FROM ({_BATCHES.format(kind="is done")}) g JOIN mix m ON m.k = g.k ORDER BY g.n
"""


@dataclass(frozen=True)
class Cost:
    """What it took to fill a database."""

    jobs: int
    seconds: float
    megabytes: float
    peak_megabytes: float | None
    """Of the session that filled it, with what it touched of the shared buffers; None where the system does not tell."""

    def __str__(self) -> str:
        peak = (
            ""
            if self.peak_megabytes is None
            else f", {self.peak_megabytes:,.0f} MB at the peak of the session that did it"
        )
        return (
            f"{self.jobs:,} waiting jobs were made in {self.seconds:.1f} s: {self.megabytes:,.0f} MB of database{peak}"
        )


async def prepare(connection: asyncpg.Connection) -> None:
    """Set an empty database up, so that plans can be made in it."""
    await connection.execute(_UNLOGGED + _BY_HAND + _MIX)


async def fill_with(connection: asyncpg.Connection, jobs: int) -> Cost:
    """Put so many waiting jobs in, and a tenth as many dead letters and completed ones."""
    began = time.monotonic()
    await connection.execute("SET search_path = pgqueuer, pg_temp")
    await connection.execute(_JOBS, jobs, jobs)
    await connection.execute("SELECT setval('job_sequence', $1)", jobs)
    await connection.execute(_REFERENCES)
    await connection.execute(_DEAD, jobs, jobs // 10)
    await connection.execute(_HISTORY, jobs, jobs // 10)
    seconds = time.monotonic() - began
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    return Cost(jobs, seconds, size / 2**20, _peak_megabytes(connection))


def _peak_megabytes(connection: asyncpg.Connection) -> float | None:
    try:
        status = Path(f"/proc/{connection.get_server_pid()}/status").read_text(encoding="ascii")
    except OSError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
