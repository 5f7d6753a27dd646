-- Dead letters that match, the latest first.
--
-- Arguments:
--   p_queue: only of this queue; NULL is any.
--   p_reason: only for this reason: `exhausted`, `business`, `crashed`, `in doubt` or `quarantined`; NULL is any.
--   p_limit: rows at most; more than 1000 counts as 1000. There are fewer once payloads come to 16 MiB.
-- Returns: a row for each of them.
-- Errors: CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing.
CREATE OR REPLACE FUNCTION list_dead_letters(p_queue text DEFAULT NULL, p_reason text DEFAULT NULL, p_limit integer DEFAULT 100)
RETURNS SETOF all_jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope record;
    v_job   all_jobs;
    v_bytes bigint := 0;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    FOR v_job IN SELECT * FROM all_jobs a
                  WHERE a.reason IS NOT NULL AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
                    AND (p_queue IS NULL OR a.queue_name = p_queue) AND (p_reason IS NULL OR a.reason = p_reason)
                  ORDER BY a.finished_at DESC, a.id LIMIT least(p_limit, 1000)
    LOOP
        EXIT WHEN v_bytes > 16777216;
        v_bytes := v_bytes + documents_size(v_job.payload, NULL);
        RETURN NEXT v_job;
    END LOOP;
END $$;
