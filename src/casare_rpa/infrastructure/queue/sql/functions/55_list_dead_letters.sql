-- Dead letters that match, the latest first.
--
-- Arguments:
--   p_queue: only of this queue; NULL is any.
--   p_reason: only for this reason: `exhausted`, `business`, `crashed`, `in doubt` or `quarantined`; NULL is any.
--   p_limit: rows at most; more than 1000 counts as 1000.
-- Returns: a row for each of them.
-- Errors: CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing.
CREATE OR REPLACE FUNCTION list_dead_letters(p_queue text DEFAULT NULL, p_reason text DEFAULT NULL, p_limit integer DEFAULT 100)
RETURNS SETOF all_jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope record;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    RETURN QUERY SELECT * FROM all_jobs a
                  WHERE a.reason IS NOT NULL AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
                    AND (p_queue IS NULL OR a.queue_name = p_queue) AND (p_reason IS NULL OR a.reason = p_reason)
                  ORDER BY a.finished_at DESC, a.id LIMIT least(p_limit, 1000);
END $$;
