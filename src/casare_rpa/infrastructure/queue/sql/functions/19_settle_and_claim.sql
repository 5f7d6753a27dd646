-- What a busy robot calls: settles the attempts that have ended and claims the next jobs, in one round trip and one transaction.
--
-- Arguments:
--   p_queue: the queue.
--   p_limit: jobs at most, 1 to 10,000.
--   p_robot: the robot's name, 1 to 200 characters.
--   p_incarnation: the secret UUID that the robot has made for itself when it started.
--   p_request: a number that grows with each claim of this incarnation; heartbeat gives back what came of one whose reply was lost.
--   p_offers: what the robot offers to jobs that require something, see claim_jobs.
--   p_visibility: seconds that a lease lasts without a heartbeat, 0.1 to 1,000,000, for jobs that do not say it themselves.
--   p_start: whether the jobs are RUNNING at once; else they are CLAIMED until start_jobs.
--   p_look_back: whether to look for jobs that have become due or were given back as well; true unless the robot did so a moment ago.
--   p_floor_routes: routes that this robot knows a floor of.
--   p_floors: for each of these routes the place, of those it was told before, up to which nothing is left; leave both out when in doubt.
--   p_ids: the ids of the jobs to settle first; NULL is none.
--   p_tokens: for each of them the lease token that its claim gave out.
--   p_outcomes: for each of them how it ended, see settle_jobs; NULL is that all have completed.
--   p_results: for each of them the result of a completed one, any JSON value of 1 MiB at most; NULL is none.
--   p_errors: for each of them what went wrong with a failed one; NULL is nothing.
--   p_retry_ins: for each of them the seconds until the next attempt of a failed one; NULL follows the job's `retry_delay`.
--   p_enable_dlq: whether those that failed for good become dead letters, provided that the job says so too; else they end FAILED.
-- Returns: first a row for each attempt that did not complete, with its `ordinal` and `status` as settle_jobs returns them; then a row
--   for each job, in no order, which has an `id`; then one row of the claim itself, with `claimed_at`: when the leases began, of which each lasts
--   its `lease_seconds`; `request_xid` and `oldest_xid`, see below; and `next_due`: when p_look_back is true and fewer jobs were found than asked
--   for, the time at which the next deferred job is due, NULL if there is none.
-- Errors: CR004 for arguments out of range, another outcome, or a result that cannot be stored. CR005 for a queue that is not the login's.
--   Nothing is settled or claimed then.
-- Guarantees: those of claim_jobs and of settle_jobs.
-- Inside: floors. Settled jobs leave dead entries at the head of the index, which vacuum cannot remove while any old snapshot is held;
--   each scan would walk over all of them. So a robot says from which place it wants to scan each route. That is sound because of
--   what the rows bring back. A place is drawn after its transaction got a number (see next_place), so whoever drew a place below one
--   that an earlier claim saw has a lower number than `request_xid` of this claim; once `oldest_xid` of a later claim has reached
--   that, nothing can appear below any more. What comes back with its old place is marked `returned`, and p_look_back lowers the
--   floor to below it; p_look_back also promotes what has become due.
--
--   Before PostgreSQL 18 a plan without an alternative to what is switched off counts as enormously dear and would be compiled (jit).
CREATE OR REPLACE FUNCTION settle_and_claim(
    p_queue text, p_limit integer, p_robot text, p_incarnation uuid, p_request bigint, p_offers jsonb, p_visibility double precision,
    p_start boolean, p_look_back boolean DEFAULT true, p_floor_routes bigint[] DEFAULT '{}', p_floors bigint[] DEFAULT '{}',
    p_ids uuid[] DEFAULT NULL, p_tokens uuid[] DEFAULT NULL, p_outcomes text[] DEFAULT NULL, p_results jsonb[] DEFAULT NULL,
    p_errors text[] DEFAULT NULL, p_retry_ins double precision[] DEFAULT NULL, p_enable_dlq boolean DEFAULT true)
RETURNS TABLE (
    id uuid, seq bigint, route_id bigint, lease_token uuid, lease_seconds double precision, attempt integer, created_at timestamptz, workflow text,
    payload jsonb, priority smallint, tenant_id text, tags text[], metadata jsonb, reference text, run_at timestamptz, max_retries integer,
    retry_delay double precision, visibility_timeout double precision, time_limit double precision, on_crash text, requirements jsonb,
    error text, ordinal integer, status text, claimed_at timestamptz, request_xid bigint, oldest_xid bigint, next_due timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_now    timestamptz := clock();
    v_scope  record;
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
    -- One look for all of it: setting up a query costs as much as running it.
    SELECT l.login IS NULL OR p_queue <> ALL (l.queues) AS in_doubt, f.routes, f.priorities, f.floors,
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest, EXISTS (SELECT FROM subscriptions) AS followed
      INTO v_scope
      FROM (VALUES (session_user)) s(login) LEFT JOIN logins l ON l.login = s.login
     CROSS JOIN LATERAL (
           SELECT array_agg(d.route_id) AS routes, array_agg(d.priority) AS priorities, array_agg(d.floor) AS floors
             FROM (SELECT DISTINCT ON (r.priority, r.route_id) r.route_id, r.priority, coalesce(p_floors[array_position(p_floor_routes, r.route_id)], 0) AS floor
                     FROM routes r
                    WHERE r.queue_name = p_queue AND (l.tenant_id IS NULL OR r.tenant_id = l.tenant_id)
                      AND (r.requirements IS NULL OR r.requirements <@ p_offers)
                      AND NOT EXISTS (SELECT FROM paused_queues p WHERE p.queue_name = p_queue)
                    ORDER BY r.priority DESC, r.route_id) d) f;
    IF v_scope.in_doubt THEN
        PERFORM caller_tenant(p_queue);
    END IF;
    v_routes := v_scope.routes;
    v_priorities := v_scope.priorities;
    v_floors := v_scope.floors;

    IF p_ids IS NOT NULL THEN
        IF p_outcomes IS NOT NULL OR complete_jobs(p_ids, p_tokens, p_results, v_now, v_scope.followed) < cardinality(p_ids) THEN
            -- What has just completed is answered as settled before.
            FOR ordinal, status IN SELECT s.ordinal, s.status FROM settle_jobs(
                p_ids, p_tokens, coalesce(p_outcomes, array_fill('completed'::text, ARRAY[cardinality(p_ids)])), p_results, p_errors, p_retry_ins, p_enable_dlq) s
            LOOP
                RETURN NEXT;
            END LOOP;
            ordinal := NULL;
            status := NULL;
        END IF;
    END IF;

    IF p_look_back AND v_routes IS NOT NULL THEN
        PERFORM upkeep_if_overdue(v_now), promote_jobs(v_routes, v_now, p_limit);
        v_floors := below_returned_jobs(v_routes, v_floors);
    END IF;
    v_ready := v_routes;
    IF cardinality(v_routes) > 3 THEN
        -- One look at all of them costs less than a step for each that has nothing.
        SELECT array_agg(f.route_id ORDER BY f.ordinal), array_agg(f.priority ORDER BY f.ordinal), array_agg(f.floor ORDER BY f.ordinal)
          INTO v_ready, v_priorities, v_floors
          FROM unnest(v_routes, v_priorities, v_floors) WITH ORDINALITY f(route_id, priority, floor, ordinal)
         CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred AND j.seq > f.floor
                              ORDER BY j.seq LIMIT 1) c; -- with EXISTS, all ready jobs of all queues would be walked
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
        RETURNING j.id, j.seq, j.route_id, j.lease_token, j.lease_seconds, j.attempt, j.created_at, j.workflow, j.payload, j.priority, j.tenant_id,
                  j.tags, j.metadata, j.reference, j.run_at, j.max_retries, j.retry_delay, j.visibility_timeout, j.time_limit, j.on_crash,
                  j.requirements, j.error, NULL::integer, NULL::text, NULL::timestamptz, NULL::bigint, NULL::bigint, NULL::timestamptz;
        IF v_scope.followed AND EXISTS (SELECT FROM subscriptions s WHERE p_queue = ANY (s.wants) OR s.wants_jobs && v_ids) THEN
            PERFORM emit_jobs(CASE WHEN p_start THEN 'started' ELSE 'claimed' END, CASE WHEN p_start THEN 'RUNNING' ELSE 'CLAIMED' END::job_status, v_now, v_ids);
        END IF;
    END IF;
    IF p_look_back AND cardinality(v_ids) < p_limit THEN
        SELECT min(d.run_at) INTO next_due
          FROM unnest(v_routes) f(route_id)
         CROSS JOIN LATERAL (SELECT w.run_at FROM jobs w WHERE w.route_id = f.route_id AND w.status = 'PENDING' AND w.deferred
                              ORDER BY w.run_at LIMIT 1) d;
    END IF;
    claimed_at := v_now;
    request_xid := v_xid;
    oldest_xid := v_scope.oldest;
    RETURN NEXT;
END $$;
