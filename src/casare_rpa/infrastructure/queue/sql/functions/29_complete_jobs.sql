-- Moves jobs into history whose attempts completed, of those that are held under these tokens, and returns how many that were.
-- p_followed says whether anybody at all wants to hear of jobs.
CREATE OR REPLACE FUNCTION complete_jobs(p_ids uuid[], p_tokens uuid[], p_results jsonb[], p_now timestamptz, p_followed boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_completed integer;
BEGIN
    IF p_results IS NOT NULL THEN
        PERFORM check_results(p_results);
    END IF;
    WITH moved AS (
        DELETE FROM jobs j
         USING (SELECT o.id, o.token, o.result FROM unnest(p_ids, p_tokens, p_results) o(id, token, result) ORDER BY o.id) u
         WHERE j.id = u.id AND j.lease_token = u.token
        RETURNING j.*, u.result
    )
    INSERT INTO job_history (id, seq, created_at, run_at, claimed_at, started_at, finished_at, cancel_requested_at, retry_delay,
                             visibility_timeout, time_limit, status, max_retries, attempt, crashes, priority, token_hash, queue_name,
                             workflow, on_crash, tenant_id, reference, claimed_by, tags, metadata, requirements, payload, result)
    SELECT m.id, m.seq, m.created_at, m.run_at, m.claimed_at, m.started_at, p_now, m.cancel_requested_at, m.retry_delay,
           m.visibility_timeout, m.time_limit, 'COMPLETED', m.max_retries, m.attempt, m.crashes, m.priority, token_hash(m.lease_token),
           m.queue_name, m.workflow, m.on_crash, m.tenant_id, m.reference, m.claimed_by, m.tags, m.metadata, m.requirements, m.payload, m.result
      FROM moved m;
    GET DIAGNOSTICS v_completed = ROW_COUNT;
    IF p_followed AND v_completed > 0 AND EXISTS (SELECT FROM subscriptions s WHERE s.wants <> '{}' OR s.wants_jobs && p_ids) THEN
        PERFORM emit_completed(p_now, p_ids);
    END IF;
    RETURN v_completed;
END $$;
