-- A job, wherever it lives now.
--
-- Arguments:
--   p_id: the job's id.
-- Returns: its row, or none when there is no such job.
-- Errors: CR005 for a login that is not registered.
-- Guarantees: looks at waiting jobs, dead letters and history in one snapshot. Changes and locks nothing.
CREATE OR REPLACE FUNCTION find_job(p_id uuid) RETURNS SETOF all_jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_scope record;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    RETURN QUERY SELECT * FROM all_jobs a
                  WHERE a.id = p_id AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name);
END $$;
