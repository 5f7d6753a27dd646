-- Every ended attempt of a job, oldest first.
--
-- Arguments:
--   p_id: the job's id.
-- Returns: a row for each attempt. The outcome is `completed`, `failed`, `business`, `released`, `expired` or `cancelled`.
-- Errors: CR001 when there is no such job. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing.
-- Inside: the attempt that completed it stands in its history row.
CREATE OR REPLACE FUNCTION find_attempts(p_id uuid)
RETURNS TABLE (attempt integer, robot text, claimed_at timestamptz, started_at timestamptz, ended_at timestamptz, outcome text, error text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    v_scope record;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF NOT EXISTS (SELECT FROM find_job(p_id)) THEN
        RAISE EXCEPTION 'there is no job %', p_id USING ERRCODE = 'CR001';
    END IF;
    RETURN QUERY
    SELECT a.attempt, a.robot, a.claimed_at, a.started_at, a.ended_at, a.outcome, a.error FROM job_attempts a
     WHERE a.job_id = p_id AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
    UNION ALL
    SELECT h.attempt, h.claimed_by, h.claimed_at, h.started_at, h.finished_at, 'completed', NULL FROM job_history h
     WHERE h.id = p_id AND h.status = 'COMPLETED'
       AND in_scope(v_scope.tenant, v_scope.queues, h.tenant_id, h.queue_name)
    ORDER BY 5, 1;
END $$;
