-- How many jobs of a queue are PENDING and due, whether or not it is paused.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: the number; 0 for a queue that nobody has used.
-- Errors: CR005 for a queue that is not the login's.
-- Guarantees: changes and locks nothing. It counts, which takes about a tenth of a second for each million;
--   `list_queues` estimates so many.
CREATE OR REPLACE FUNCTION queue_depth(p_queue text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_now    timestamptz := clock();
    v_tenant text := caller_tenant(p_queue);
    v_routes bigint[];
BEGIN
    SELECT array_agg(DISTINCT r.route_id) INTO v_routes FROM routes r
     WHERE r.queue_name = p_queue AND (v_tenant IS NULL OR r.tenant_id = v_tenant);
    RETURN (SELECT count(*) FROM jobs j WHERE j.route_id = ANY (v_routes) AND j.status = 'PENDING' AND NOT j.deferred)
         + (SELECT count(*) FROM jobs j WHERE j.route_id = ANY (v_routes) AND j.status = 'PENDING' AND j.deferred AND j.run_at <= v_now);
END $$;
