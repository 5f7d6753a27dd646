-- One pass of the upkeep: leases that ran out, jobs that are due, partitions of the history. Whoever uses the queue calls it.
--
-- Arguments:
--   p_force: whether to do the pass even if there was one less than a second ago, and all that is done once an hour as well.
-- Returns: seconds until this caller should call again: whoever did the pass comes back soon, the others only look whether somebody
--   still does.
-- Errors: CR005 for a login that is not registered.
-- Guarantees: repeatable. It does something at most once a second and never waits for another that is at it. It does the work of all
--   tenants and queues, whoever calls it.
CREATE OR REPLACE FUNCTION upkeep(p_force boolean DEFAULT false) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_now   timestamptz := clock();
    v_state upkeep_state;
BEGIN
    PERFORM caller_scope();
    SELECT * INTO v_state FROM upkeep_state FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR (v_state.passed_at > v_now - interval '0.9 seconds' AND NOT p_force) THEN
        -- The more robots there are, the less often each needs to look whether somebody still does it.
        RETURN 2 + random() * 0.15 * (SELECT count(*) FROM robots r WHERE r.seen_at > v_now - interval '40 seconds');
    END IF;
    PERFORM pass_upkeep(v_state, v_now), shape_dead_letters(500);
    IF v_state.partitioned_at IS NULL OR v_state.partitioned_at < v_now - interval '1 hour' OR p_force THEN
        IF ensure_partitions(v_now) IS NOT NULL THEN
            PERFORM drop_old_history(v_state, v_now);
            DELETE FROM robots r WHERE r.seen_at < v_now - interval '10 minutes';
            UPDATE upkeep_state SET partitioned_at = v_now;
        END IF;
    ELSIF v_state.dropping IS NOT NULL THEN
        PERFORM drop_old_history(v_state, v_now);
    END IF;
    RETURN 1;
END $$;

-- The upkeep inside a claim, when nobody has come round for two seconds: a lone robot needs no helper.
CREATE OR REPLACE FUNCTION upkeep_if_overdue(p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_state upkeep_state;
BEGIN
    IF EXISTS (SELECT FROM upkeep_state s WHERE s.passed_at < p_now - interval '2 seconds') THEN
        SELECT * INTO v_state FROM upkeep_state s WHERE s.passed_at < p_now - interval '2 seconds' FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            PERFORM pass_upkeep(v_state, p_now);
        END IF;
    END IF;
END $$;

-- A gap between passes means that the database was away (or everybody from it): robots could not send heartbeats, so no lease may
-- run out because of it and all of them get the gap added. None gets more than its full length:
-- one that was given out after the gap has nothing to make up for.
CREATE OR REPLACE FUNCTION pass_upkeep(p_state upkeep_state, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_route  record;
BEGIN
    UPDATE upkeep_state SET passed_at = p_now;
    -- After weeks without a pass there is no partition for today, and what a claim hands out next could not be settled.
    IF p_state.partitioned_at IS NULL OR p_state.partitioned_at < p_now - interval '7 days' THEN
        PERFORM ensure_partitions(p_now);
    END IF;
    IF p_now - p_state.passed_at > interval '8 seconds' OR pg_postmaster_start_time() > p_state.passed_at THEN
        UPDATE jobs j
           SET lease_expires_at = greatest(j.lease_expires_at, least(j.lease_expires_at + (p_now - p_state.passed_at), p_now + seconds(j.lease_seconds)))
         WHERE j.id IN (SELECT h.id FROM jobs h WHERE h.status IN ('CLAIMED', 'RUNNING') ORDER BY h.id FOR UPDATE SKIP LOCKED);
    END IF;
    PERFORM end_subscriptions(p_now), expire_leases(p_now, 1000);
    FOR v_route IN
        SELECT r.queue_name, array_agg(DISTINCT r.route_id) AS routes FROM routes r
         CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = r.route_id AND j.status = 'PENDING' AND j.deferred AND j.run_at <= p_now
                              ORDER BY j.run_at LIMIT 1) d
         GROUP BY r.queue_name
    LOOP
        PERFORM announce(v_route.queue_name, promote_jobs(v_route.routes, p_now, 1000));
    END LOOP;
END $$;
