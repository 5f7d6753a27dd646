-- Which of some jobs have ended, for a program that waits for many of them with one statement.
--
-- Arguments:
--   p_ids: the jobs, 10,000 at most.
-- Returns: the row of each job that has ended, and for an id without a job a row in which only `id` is set. Jobs that still wait or
--   run have no row. The rest is left out once the payloads and results come to 16 MiB: ask for it again.
-- Errors: CR004 for more than 10,000 ids. CR005 for a login that is not registered.
-- Guarantees: looks at waiting jobs, dead letters and history in one snapshot. Changes and locks nothing.
CREATE OR REPLACE FUNCTION find_ended(p_ids uuid[]) RETURNS SETOF all_jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_scope record;
    v_rest  uuid[];
    v_found uuid[] := '{}';
    v_job   all_jobs;
    v_bytes bigint := 0;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF cardinality(p_ids) > 10000 THEN
        RAISE EXCEPTION 'a look is for 10000 jobs at most, not %', cardinality(p_ids) USING ERRCODE = 'CR004';
    END IF;
    -- As a rule most still wait or run: only for the others all the parts of the history are looked into.
    v_rest := ARRAY(SELECT u.id FROM unnest(p_ids) u(id) WHERE u.id IS NOT NULL
                    EXCEPT
                    SELECT j.id FROM jobs j
                     WHERE j.id = ANY (p_ids) AND in_scope(v_scope.tenant, v_scope.queues, j.tenant_id, j.queue_name));
    IF v_rest = '{}' THEN
        RETURN;
    END IF;
    FOR v_job IN
        SELECT * FROM all_jobs a
         WHERE a.id = ANY (v_rest) AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
    LOOP
        IF v_bytes > 16777216 THEN
            RETURN;
        END IF;
        v_bytes := v_bytes + coalesce(pg_column_size(v_job.payload), 0) + coalesce(pg_column_size(v_job.result), 0);
        v_found := v_found || v_job.id;
        RETURN NEXT v_job;
    END LOOP;
    v_job := NULL;
    FOR v_job.id IN SELECT unnest(v_rest) EXCEPT SELECT unnest(v_found) LOOP
        RETURN NEXT v_job;
    END LOOP;
END $$;
