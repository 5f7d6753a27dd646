-- Takes jobs from CLAIMED to RUNNING that are held under these tokens.
--
-- Arguments:
--   p_ids: the jobs' ids.
--   p_tokens: for each of them the lease token that its claim gave out.
-- Returns: a row for each job that runs now, with the time at which it was started. One that is missing has lost its lease.
-- Errors: none of its own; the token is what proves the right.
-- Guarantees: repeatable: sent again it changes nothing and returns the same. A transaction that is changing one of the jobs is
--   waited for.
CREATE OR REPLACE FUNCTION start_jobs(p_ids uuid[], p_tokens uuid[]) RETURNS TABLE (id uuid, started_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := clock();
BEGIN
    RETURN QUERY
    UPDATE jobs j SET status = 'RUNNING', started_at = coalesce(j.started_at, v_now)
      FROM (SELECT u.id, u.token FROM unnest(p_ids, p_tokens) u(id, token) ORDER BY u.id) s
     WHERE j.id = s.id AND j.lease_token = s.token AND j.status IN ('CLAIMED', 'RUNNING')
    RETURNING j.id, j.started_at;
    IF EXISTS (SELECT FROM subscriptions s WHERE s.wants <> '{}' OR s.wants_jobs && p_ids) THEN
        PERFORM emit_jobs('started', 'RUNNING', v_now, ARRAY(SELECT j.id FROM jobs j WHERE j.id = ANY (p_ids) AND j.started_at = v_now));
    END IF;
END $$;
