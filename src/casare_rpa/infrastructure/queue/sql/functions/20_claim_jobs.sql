-- Claims jobs of a queue for one robot: highest priority first, then in order of their places, passing over what another robot is
-- claiming. Each claim counts the attempt and hands out a new lease token.
--
-- Arguments:
--   p_queue: the queue.
--   p_limit: jobs at most, 1 to 10,000.
--   p_robot: the robot's name, 1 to 200 characters.
--   p_incarnation: the secret UUID that the robot has made for itself when it started.
--   p_request: a number that grows with each claim of this incarnation; heartbeat gives back what came of one whose reply was lost.
--   p_offers: what the robot offers to jobs that require something: a JSON object with `capabilities` (a list of words), `labels` (an
--     object of words), `environment` and `pool`.
--   p_visibility: seconds that a lease lasts without a heartbeat, 0.1 to 1,000,000, for jobs that do not say it themselves.
--   p_start: whether the jobs are RUNNING at once; else they are CLAIMED until start_jobs.
--   p_look_back: whether to look for jobs that have become due or were given back as well; true unless the robot did so a moment ago.
--   p_floor_routes: routes that this robot knows a floor of.
--   p_floors: for each of these routes the place, of those it was told before, up to which nothing is left; leave both out when in doubt.
-- Returns: a row for each job, with its fields, its lease token, when the lease ends, and its place. When p_look_back is true and fewer
--   were found than asked for, a row without an id says in `run_at` when the next deferred job is due, NULL if there is none. No order.
-- Errors: CR004 for arguments out of range. CR005 for a queue that is not the login's.
-- Guarantees: a job is handed to one robot at a time, and never to one that it does not fit. It never waits for a lock. An unknown or
--   paused queue has no jobs. If the reply is lost, the jobs are held until a heartbeat gives them back or their leases run out.
-- Inside: settle_and_claim does it, and says more of it.
CREATE OR REPLACE FUNCTION claim_jobs(
    p_queue text, p_limit integer, p_robot text, p_incarnation uuid, p_request bigint, p_offers jsonb, p_visibility double precision,
    p_start boolean, p_look_back boolean DEFAULT true, p_floor_routes bigint[] DEFAULT '{}', p_floors bigint[] DEFAULT '{}')
RETURNS TABLE (
    id uuid, seq bigint, route_id bigint, request_xid bigint, oldest_xid bigint, status text, workflow text, payload jsonb,
    priority smallint, queue_name text, tenant_id text, tags text[], metadata jsonb, reference text, run_at timestamptz, max_retries integer,
    retry_delay double precision, visibility_timeout double precision, time_limit double precision, on_crash text, requirements jsonb,
    attempt integer, created_at timestamptz, claimed_at timestamptz, started_at timestamptz, lease_expires_at timestamptz,
    lease_seconds double precision, lease_token uuid, error text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off AS $$
    WITH answer AS MATERIALIZED (
        SELECT * FROM settle_and_claim(p_queue => p_queue, p_limit => p_limit, p_robot => p_robot, p_incarnation => p_incarnation, p_request => p_request,
                                       p_offers => p_offers, p_visibility => p_visibility, p_start => p_start, p_look_back => p_look_back,
                                       p_floor_routes => p_floor_routes, p_floors => p_floors)
    ), claim AS MATERIALIZED ( -- LIMIT, so that it is known to be one row, and is not looked for again for each job
        SELECT c.claimed_at, c.request_xid, c.oldest_xid, c.next_due FROM answer c WHERE c.claimed_at IS NOT NULL LIMIT 1
    )
    SELECT a.id, a.seq, a.route_id, c.request_xid, c.oldest_xid, CASE WHEN p_start THEN 'RUNNING' ELSE 'CLAIMED' END, a.workflow, a.payload, a.priority,
           p_queue, a.tenant_id, a.tags, a.metadata, a.reference, a.run_at, a.max_retries, a.retry_delay, a.visibility_timeout, a.time_limit,
           a.on_crash, a.requirements, a.attempt, a.created_at, c.claimed_at, CASE WHEN p_start THEN c.claimed_at END,
           c.claimed_at + seconds(a.lease_seconds), a.lease_seconds, a.lease_token, a.error
      FROM claim c CROSS JOIN answer a WHERE a.id IS NOT NULL
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, c.next_due, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, c.claimed_at, NULL, NULL, NULL, NULL, NULL
      FROM claim c WHERE p_look_back AND (SELECT count(a.id) FROM answer a) < p_limit
$$;
