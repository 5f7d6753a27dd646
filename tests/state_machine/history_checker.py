"""Proves, from the database's whole record, that the queue kept its promises.

It reads jobs, dead letters, history, ended attempts and references as they are at one moment and looks for what must never be:
a job that is lost or in two places, an attempt settled twice, attempts that do not add up, a lease on a job that nobody holds, a
reference that points to nothing. It needs no log of what was done, so it serves after any test, however that worked the queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    import asyncpg

_RECORD = """
WITH record AS (
    SELECT 'jobs' AS place, id, status::text, attempt, crashes, max_retries, coalesce(tenant_id, '') AS tenant_id, queue_name,
           reference, NULL::timestamptz AS finished_at, claimed_at, started_at, NULL::bytea AS token_hash FROM jobs
    UNION ALL
    SELECT 'dead_letter_queue', id, 'DEAD', attempt, crashes, max_retries, coalesce(tenant_id, ''), queue_name,
           reference, finished_at, claimed_at, started_at, NULL FROM dead_letter_queue
    UNION ALL
    SELECT 'job_history', id, status::text, attempt, crashes, max_retries, coalesce(tenant_id, ''), queue_name,
           reference, finished_at, claimed_at, started_at, token_hash FROM job_history
), ended AS (
    SELECT job_id AS id, token_hash, outcome, status::text, attempt, claimed_at, started_at, ended_at FROM job_attempts
    UNION ALL
    SELECT id, token_hash, 'completed', status, attempt, claimed_at, started_at, finished_at FROM record
     WHERE status = 'COMPLETED'
)
"""

_PLACES = "SELECT id, string_agg(place, ' and ') FROM record GROUP BY id HAVING count(*) > 1"

_ENDED_ONCE = """
SELECT id, format('a lease ended %s times: %s', count(*), string_agg(outcome, ', ')) FROM ended
 GROUP BY id, token_hash HAVING count(*) > 1 OR token_hash IS NULL
UNION ALL
SELECT e.id, e.outcome || ' and still held' FROM ended e
  JOIN jobs j ON j.id = e.id AND e.token_hash = token_hash(j.lease_token)"""

_OWN_LEASE = """
SELECT id, 'shares its token' FROM jobs
 WHERE lease_token IN (SELECT lease_token FROM jobs GROUP BY lease_token HAVING count(*) > 1)"""

_ONE_END = """
SELECT id, format('%s ends', count(*)) FROM ended WHERE status IN ('COMPLETED', 'CANCELLED') GROUP BY id HAVING count(*) > 1
UNION ALL
SELECT r.id, format('%s after it was %s', r.status, e.status) FROM record r
  JOIN ended e ON e.id = r.id AND e.status IN ('COMPLETED', 'CANCELLED')
 WHERE r.status <> e.status OR r.finished_at <> e.ended_at
UNION ALL
SELECT r.id, r.status || ' without an attempt that failed' FROM record r
 WHERE r.status IN ('DEAD', 'FAILED') AND NOT EXISTS (
       SELECT FROM ended e WHERE e.id = r.id AND e.attempt = r.attempt AND e.status = 'FAILED' AND e.ended_at = r.finished_at)"""

# An attempt that was not given back keeps its number. Each life of a job (a redrive begins a new one) counts from 1; a life that
# ended in a dead letter is recorded by its last attempt, FAILED; the present one has come as far as the record says. So the
# numbers add up exactly.
_NUMBERS = """
SELECT id, format('attempt %s ended %s times, not %s', attempt, coalesce(had.times, 0), coalesce(due.times, 0))
  FROM (SELECT l.id, n AS attempt, count(*) AS times
          FROM (SELECT id, attempt AS last FROM ended WHERE status = 'FAILED'
                UNION ALL
                SELECT id, attempt - (status IN ('CLAIMED', 'RUNNING', 'COMPLETED'))::integer FROM record
                 WHERE status NOT IN ('DEAD', 'FAILED')) l
         CROSS JOIN generate_series(1, l.last) n GROUP BY 1, 2) due
  FULL JOIN (SELECT id, attempt, count(*) AS times FROM ended
              WHERE outcome NOT IN ('released', 'completed') GROUP BY 1, 2) had USING (id, attempt)
 WHERE had.times IS DISTINCT FROM due.times"""

_WITHIN_MAXIMUM = """
SELECT id, format('%s of %s', attempt, max_retries) FROM record
 WHERE attempt NOT BETWEEN (status IN ('CLAIMED', 'RUNNING', 'COMPLETED'))::integer
                       AND max_retries - (status = 'PENDING')::integer"""

_CRASHES = """
SELECT r.id, format('%s crashes, %s expired', r.crashes, count(e.id)) FROM record r
  LEFT JOIN ended e ON e.id = r.id AND e.outcome = 'expired'
 GROUP BY r.id, r.status, r.crashes
HAVING r.crashes - count(e.id) NOT BETWEEN 0 AND (r.status = 'CANCELLED')::integer"""

_TIMES = """
SELECT id, 'ended before it began' FROM ended
 WHERE claimed_at > coalesce(started_at, claimed_at) OR coalesce(started_at, claimed_at) > ended_at
UNION ALL
SELECT id, 'an attempt ended after the job' FROM record JOIN ended USING (id) WHERE ended_at > finished_at"""

_LEASES = """
SELECT id, status || ' with half a lease, or one too much' FROM jobs
 WHERE num_nonnulls(lease_token, lease_expires_at, lease_seconds, incarnation, request, claimed_by, claimed_at)
       <> CASE WHEN status IN ('CLAIMED', 'RUNNING') THEN 7 ELSE 0 END
    OR (started_at IS NOT NULL) <> (status = 'RUNNING') OR (cancel_requested_at IS NOT NULL AND status <> 'RUNNING')
    OR (status <> 'PENDING' AND (deferred OR returned)) OR (deferred AND (returned OR run_at IS NULL))
    OR status NOT IN ('PENDING', 'CLAIMED', 'RUNNING')"""

_ROUTES = """
SELECT id, 'route ' || route_id FROM jobs j
 WHERE NOT EXISTS (SELECT FROM routes r
                    WHERE r.route_id = j.route_id AND (r.queue_name, r.priority) = (j.queue_name, j.priority)
                      AND (r.tenant_id, r.requirements) IS NOT DISTINCT FROM (j.tenant_id, j.requirements))"""

_REFERENCES = """
SELECT f.job_id, format('%s points there', f.reference) FROM job_references f
 WHERE NOT EXISTS (SELECT FROM record r WHERE r.id = f.job_id AND r.status <> 'CANCELLED'
                      AND (r.tenant_id, r.queue_name, r.reference) = (f.tenant_id, f.queue_name, f.reference))
UNION ALL
SELECT r.id, format('%s does not point there', r.reference) FROM record r
 WHERE r.reference IS NOT NULL AND r.status <> 'CANCELLED'
   AND NOT EXISTS (SELECT FROM job_references f WHERE f.job_id = r.id
                      AND (f.tenant_id, f.queue_name, f.reference) = (r.tenant_id, r.queue_name, r.reference))"""

_OWNERLESS = "SELECT id, outcome FROM ended WHERE id NOT IN (SELECT id FROM record)"

PROMISES = {
    "a job is in one place": _PLACES,
    "an attempt ends once": _ENDED_ONCE,
    "a lease belongs to one job": _OWN_LEASE,
    "a job ends once, as its last attempt did": _ONE_END,
    "attempts add up": _NUMBERS,
    "attempts stay within the maximum": _WITHIN_MAXIMUM,
    "crashes are the leases that ran out": _CRASHES,
    "times follow each other": _TIMES,
    "a held job has a whole lease, another none": _LEASES,
    "a job lies on a route that leads to it": _ROUTES,
    "references and jobs point to each other": _REFERENCES,
    "an attempt belongs to a job": _OWNERLESS,
}
"""What must hold, and the query that finds what breaks it: rows of a job's id and a few words."""

_EVERYTHING = _RECORD + " UNION ALL ".join(
    f"SELECT '{promise}' AS promise, id::uuid, words::text FROM ({query}) q{number}(id, words)"
    for number, (promise, query) in enumerate(PROMISES.items())
)


async def check_history(
    connection: asyncpg.Connection,
    enqueued: Iterable[UUID] | None = None,
    purged: Iterable[UUID] = (),
    schema: str = "pgqueuer",
) -> None:
    """Check the whole record as it is at one moment.

    Args:
        connection: a connection that may read the tables, outside a transaction.
        enqueued: the ids of all jobs that were ever put in, to find lost ones and strangers; None looks for neither.
        purged: the ids of those that were purged.
        schema: the schema of the queue.

    Raises:
        AssertionError: a promise is broken; the message says which, by which jobs and how.

    """
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute(f'SET LOCAL search_path = "{schema}", pg_temp')
        broken = [f"{promise}: {job_id} {words}" for promise, job_id, words in await connection.fetch(_EVERYTHING)]
        found = (
            {row["id"] for row in await connection.fetch("SELECT id FROM all_jobs")} if enqueued is not None else set()
        )
    if enqueued is not None:
        expected = set(enqueued) - set(purged)
        broken += [f"nothing is lost: {job_id} is nowhere" for job_id in expected - found]
        broken += [f"nothing comes from nowhere: {job_id}" for job_id in found - expected]
    assert not broken, "\n".join(broken)
