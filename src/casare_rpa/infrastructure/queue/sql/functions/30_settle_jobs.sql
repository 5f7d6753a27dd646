-- Ends attempts: complete, fail, release. Each names its lease token; one that no longer holds changes nothing.
--
-- Arguments:
--   p_ids: the jobs' ids.
--   p_tokens: for each of them the lease token that its claim gave out.
--   p_outcomes: for each of them `completed`, `failed` (an application error: retried while attempts are left), `business` (bad data:
--     never retried) or `released` (handed back unharmed, the attempt given back).
--   p_results: for each of them the result of a completed one, any JSON value of 1 MiB at most; NULL is none.
--   p_errors: for each of them what went wrong with a failed one, of which 65,536 characters are kept; NULL is nothing.
--   p_retry_ins: for each of them the seconds until the next attempt of a failed one; NULL follows the job's `retry_delay`.
--   p_enable_dlq: whether those that failed for good become dead letters, provided that the job says so too; else they end FAILED.
-- Returns: a row for each job that did not complete: its number in the arrays, from 1, and its status now (PENDING, FAILED or
--   CANCELLED), or NULL when the lease was lost. No row means that it is COMPLETED.
-- Errors: CR004 for a result that cannot be stored, or another outcome; nothing is settled then.
-- Guarantees: an attempt is settled once. The same settlement sent again gets the answer of the first time. Rows are locked in the order
--   of their ids, and a transaction that is changing one of them is waited for.
CREATE OR REPLACE FUNCTION settle_jobs(
    p_ids uuid[], p_tokens uuid[], p_outcomes text[], p_results jsonb[] DEFAULT NULL, p_errors text[] DEFAULT NULL,
    p_retry_ins double precision[] DEFAULT NULL, p_enable_dlq boolean DEFAULT true)
RETURNS TABLE (ordinal integer, status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_now  timestamptz := clock();
    v_completing integer := cardinality(p_ids);
    v_completed  integer;
    v_job  jobs;
    v_this record;
    v_status job_status;
BEGIN
    IF (p_outcomes <@ ARRAY['completed', 'failed', 'business', 'released'] AND cardinality(p_outcomes) = cardinality(p_ids)) IS NOT TRUE THEN
        RAISE EXCEPTION 'an attempt ends completed, failed, business or released, not "%"',
            (SELECT o FROM unnest(p_outcomes) o WHERE (o IN ('completed', 'failed', 'business', 'released')) IS NOT TRUE LIMIT 1) USING ERRCODE = 'CR004';
    END IF;
    IF 'completed' = ALL (p_outcomes) THEN
        v_completed := complete_jobs(p_ids, p_tokens, p_results, v_now, EXISTS (SELECT FROM subscriptions));
    ELSE
        -- Two steps follow that lock rows: all of them are locked here first, in the one order.
        PERFORM FROM unnest(p_ids, p_tokens) u(id, token) JOIN jobs j ON j.id = u.id AND j.lease_token = u.token ORDER BY j.id FOR UPDATE OF j;
        SELECT count(*), complete_jobs(array_agg(u.id), array_agg(u.token), array_agg(u.result), v_now, EXISTS (SELECT FROM subscriptions)) INTO v_completing, v_completed
          FROM unnest(p_ids, p_tokens, p_outcomes, p_results) u(id, token, outcome, result) WHERE u.outcome = 'completed';
    END IF;
    IF v_completed = cardinality(p_ids) THEN
        RETURN;
    END IF;
    FOR v_this IN
        SELECT u.* FROM unnest(p_ids, p_tokens, p_outcomes, p_errors, p_retry_ins) WITH ORDINALITY u(id, token, outcome, error, retry_in, ordinal)
         WHERE u.outcome <> 'completed' OR v_completed < v_completing ORDER BY u.id
    LOOP
        SELECT * INTO v_job FROM jobs j WHERE j.id = v_this.id AND j.lease_token = v_this.token AND v_this.outcome <> 'completed' FOR UPDATE;
        IF FOUND THEN
            v_status := end_attempt(v_job, v_now, v_this.outcome, v_this.error, v_this.retry_in, p_enable_dlq);
        ELSE
            v_status := settled_before(v_this.id, v_this.token, v_this.outcome);
        END IF;
        IF v_status IS DISTINCT FROM 'COMPLETED' THEN
            RETURN QUERY SELECT v_this.ordinal::integer, v_status::text;
        END IF;
    END LOOP;
END $$;

-- The answer that a settlement got the first time, or NULL when this token never settled so.
CREATE OR REPLACE FUNCTION settled_before(p_id uuid, p_token uuid, p_outcome text) RETURNS job_status
LANGUAGE sql STABLE AS $$
    SELECT h.status FROM job_history h WHERE p_outcome = 'completed' AND h.id = p_id AND h.status = 'COMPLETED' AND h.token_hash = token_hash(p_token)
    UNION ALL
    SELECT a.status FROM job_attempts a WHERE a.job_id = p_id AND a.token_hash = token_hash(p_token)
       AND (a.outcome = p_outcome OR (a.outcome = 'cancelled' AND a.started_at IS NOT NULL AND p_outcome IN ('failed', 'business', 'released')))
$$;

CREATE OR REPLACE FUNCTION check_results(p_results jsonb[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_limit integer;
    v_fault text;
BEGIN
    SELECT result_limit INTO v_limit FROM settings;
    SELECT document_fault(r, v_limit) INTO v_fault FROM unnest(p_results) r
     WHERE is_suspicious(r, v_limit) AND document_fault(r, v_limit) IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a result %', v_fault USING ERRCODE = 'CR004';
    END IF;
END $$;
