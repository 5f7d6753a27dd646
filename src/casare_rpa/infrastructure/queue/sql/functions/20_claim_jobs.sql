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
-- Inside: floors. Settled jobs leave dead entries at the head of the index, which vacuum cannot remove while any old snapshot is held;
--   each scan would walk over all of them. So a robot says from which place it wants to scan each route. That is sound because of
--   what the rows bring back. A place is drawn after its transaction got a number (see next_place), so whoever drew a place below one
--   that an earlier claim saw has a lower number than `request_xid` of this claim; once `oldest_xid` of a later claim has reached
--   that, nothing can appear below any more. What comes back with its old place is marked `returned`, and p_look_back lowers the
--   floor to below it; p_look_back also promotes what has become due.
--
--   Before PostgreSQL 18 a plan without an alternative to what is switched off counts as enormously dear and would be compiled (jit).
CREATE OR REPLACE FUNCTION claim_jobs(
    p_queue text, p_limit integer, p_robot text, p_incarnation uuid, p_request bigint, p_offers jsonb, p_visibility double precision,
    p_start boolean, p_look_back boolean DEFAULT true, p_floor_routes bigint[] DEFAULT '{}', p_floors bigint[] DEFAULT '{}')
RETURNS TABLE (
    id uuid, seq bigint, route_id bigint, request_xid bigint, oldest_xid bigint, status text, workflow text, payload jsonb,
    priority smallint, queue_name text, tenant_id text, tags text[], metadata jsonb, reference text, run_at timestamptz, max_retries integer,
    retry_delay double precision, visibility_timeout double precision, time_limit double precision, on_crash text, requirements jsonb,
    attempt integer, created_at timestamptz, claimed_at timestamptz, started_at timestamptz, lease_expires_at timestamptz,
    lease_seconds double precision, lease_token uuid, error text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_now    timestamptz := clock();
    v_tenant text := caller_tenant(p_queue);
    v_oldest bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    v_ids    uuid[];
    v_routes bigint[];
    v_ready  bigint[];
    v_floors bigint[];
    v_priorities smallint[];
    v_xid    bigint;
    v_secret bytea;
BEGIN
    IF (p_limit BETWEEN 1 AND 10000 AND p_visibility BETWEEN 0.1 AND 1e6 AND length(p_robot) BETWEEN 1 AND 200 AND p_incarnation IS NOT NULL) IS NOT TRUE THEN
        RAISE EXCEPTION 'a claim is for 1 to 10000 jobs, with a visibility timeout of 0.1 to 1000000 seconds, by a robot with a name of 1 to 200 characters'
            USING ERRCODE = 'CR004';
    END IF;
    SELECT array_agg(f.route_id ORDER BY f.priority DESC, f.route_id), array_agg(f.priority ORDER BY f.priority DESC, f.route_id),
           array_agg(coalesce(p_floors[array_position(p_floor_routes, f.route_id)], 0) ORDER BY f.priority DESC, f.route_id)
      INTO v_routes, v_priorities, v_floors
      FROM (SELECT DISTINCT r.route_id, r.priority FROM routes r
             WHERE r.queue_name = p_queue AND (v_tenant IS NULL OR r.tenant_id = v_tenant)
               AND (r.requirements IS NULL OR r.requirements <@ p_offers)
               AND NOT EXISTS (SELECT FROM paused_queues p WHERE p.queue_name = p_queue)) f;
    IF p_look_back AND v_routes IS NOT NULL THEN
        PERFORM upkeep_if_overdue(v_now), promote_jobs(v_routes, v_now, p_limit);
        v_floors := below_returned_jobs(v_routes, v_floors);
    END IF;
    IF cardinality(v_routes) > 3 THEN
        -- One look at all of them costs less than a step for each that has nothing.
        SELECT array_agg(f.route_id ORDER BY f.ordinal), array_agg(f.priority ORDER BY f.ordinal), array_agg(f.floor ORDER BY f.ordinal)
          INTO v_ready, v_priorities, v_floors
          FROM unnest(v_routes, v_priorities, v_floors) WITH ORDINALITY f(route_id, priority, floor, ordinal)
         CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred AND j.seq > f.floor
                              ORDER BY j.seq LIMIT 1) c; -- with EXISTS, all ready jobs of all queues would be walked
    ELSE
        v_ready := v_routes;
    END IF;
    v_ids := lock_ready_jobs(v_ready, v_priorities, v_floors, p_limit);

    IF cardinality(v_ids) > 0 THEN
        v_xid := pg_current_xact_id()::text::bigint;
        v_secret := uuid_send(gen_random_uuid());
        v_now := clock(); -- the lease begins now, however long the look took
        RETURN QUERY
        UPDATE jobs j
           SET status = CASE WHEN p_start THEN 'RUNNING' ELSE 'CLAIMED' END::job_status,
               attempt = j.attempt + 1, returned = false, claimed_by = p_robot, incarnation = p_incarnation, request = p_request,
               lease_token = derive_token(v_secret, j.id), claimed_at = v_now, started_at = CASE WHEN p_start THEN v_now END,
               lease_seconds = coalesce(j.visibility_timeout, p_visibility),
               lease_expires_at = v_now + seconds(coalesce(j.visibility_timeout, p_visibility))
         WHERE j.id = ANY (v_ids)
        RETURNING j.id, j.seq, j.route_id, v_xid, v_oldest, j.status::text, j.workflow, j.payload, j.priority, j.queue_name, j.tenant_id,
                  j.tags, j.metadata, j.reference, j.run_at, j.max_retries, j.retry_delay, j.visibility_timeout, j.time_limit, j.on_crash,
                  j.requirements, j.attempt, j.created_at, j.claimed_at, j.started_at, j.lease_expires_at, j.lease_seconds, j.lease_token, j.error;
        IF EXISTS (SELECT FROM subscriptions s WHERE p_queue = ANY (s.wants) OR s.wants_jobs && v_ids) THEN
            PERFORM emit_jobs(CASE WHEN p_start THEN 'started' ELSE 'claimed' END, CASE WHEN p_start THEN 'RUNNING' ELSE 'CLAIMED' END::job_status, v_now, v_ids);
        END IF;
    END IF;
    IF p_look_back AND cardinality(v_ids) < p_limit THEN
        RETURN QUERY
        SELECT NULL::uuid, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::text, NULL::text, NULL::jsonb, NULL::smallint, NULL::text,
               NULL::text, NULL::text[], NULL::jsonb, NULL::text, min(d.run_at), NULL::integer, NULL::double precision, NULL::double precision,
               NULL::double precision, NULL::text, NULL::jsonb, NULL::integer, NULL::timestamptz, v_now, NULL::timestamptz, NULL::timestamptz,
               NULL::double precision, NULL::uuid, NULL::text
          FROM unnest(v_routes) f(route_id)
         CROSS JOIN LATERAL (SELECT w.run_at FROM jobs w WHERE w.route_id = f.route_id AND w.status = 'PENDING' AND w.deferred
                              ORDER BY w.run_at LIMIT 1) d;
    END IF;
END $$;
