-- Removes some of the PENDING jobs of one queue without a trace: a step of a purge. A queue of a million jobs is purged in steps,
-- each in a transaction of its own, so that robots that claim meanwhile do not walk over a million locked rows.
--
-- Arguments:
--   p_queue: the queue.
--   p_limit: how many jobs at most; NULL is all of them.
--   p_until: what the step before returned as `until`; NULL for the first one. Jobs that are put in after the first step stay.
-- Returns: how many were removed, and `until`. Fewer than p_limit mean that nothing is left to remove.
-- Errors: CR002 when there has never been a job in the queue.
-- Guarantees: touches no job that a robot has, nor one that a robot is claiming at this moment, and waits for nobody.
CREATE OR REPLACE FUNCTION purge_waiting(p_queue text, p_limit integer, p_until timestamptz DEFAULT NULL, OUT purged bigint, OUT until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_tenant text := caller_tenant(p_queue);
    v_route  bigint;
    v_ids    uuid[] := '{}';
BEGIN
    PERFORM check_queue_known(p_queue);
    until := coalesce(p_until, clock());
    FOR v_route IN SELECT DISTINCT r.route_id FROM routes r WHERE r.queue_name = p_queue AND (v_tenant IS NULL OR r.tenant_id = v_tenant) LOOP
        EXIT WHEN cardinality(v_ids) >= p_limit;
        v_ids := v_ids || ARRAY(
            SELECT j.id FROM jobs j WHERE j.route_id = v_route AND j.status = 'PENDING' AND NOT j.deferred AND j.created_at <= until
             ORDER BY j.seq LIMIT p_limit - cardinality(v_ids) FOR UPDATE SKIP LOCKED);
        v_ids := v_ids || ARRAY(
            SELECT j.id FROM jobs j WHERE j.route_id = v_route AND j.status = 'PENDING' AND j.deferred AND j.created_at <= until
             ORDER BY j.run_at LIMIT p_limit - cardinality(v_ids) FOR UPDATE SKIP LOCKED);
    END LOOP;
    WITH gone AS (
        DELETE FROM jobs j USING unnest(v_ids) u(id) WHERE j.id = u.id RETURNING j.id, j.tenant_id, j.reference
    ), freed AS (
        DELETE FROM job_references r USING gone g
         WHERE g.reference IS NOT NULL AND r.tenant_id = coalesce(g.tenant_id, '') AND r.queue_name = p_queue AND r.reference = g.reference AND r.job_id = g.id
    ), forgotten AS (
        DELETE FROM job_attempts a USING gone g WHERE a.job_id = g.id AND a.queue_name = p_queue AND a.tenant_id IS NOT DISTINCT FROM g.tenant_id
    ), unsaid AS (
        DELETE FROM job_actions a USING gone g WHERE a.job_id = g.id AND a.queue_name = p_queue AND a.tenant_id IS NOT DISTINCT FROM g.tenant_id
    )
    SELECT count(*) INTO purged FROM gone;
END $$;
