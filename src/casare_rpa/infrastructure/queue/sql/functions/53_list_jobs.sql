-- Jobs that match, newest first.
--
-- Arguments:
--   p_queue: only of this queue; NULL is any, as in the next three.
--   p_status: only with this status.
--   p_workflow: only of this workflow.
--   p_tenant: only of this tenant.
--   p_limit: rows at most; more than 1000 counts as 1000. There are fewer once payloads and results come to 16 MiB.
--   p_before: the id of the last job of the page before; NULL is the first page.
-- Returns: a row for each job.
-- Errors: 22P02 for a status that does not exist. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing. It sees waiting jobs, dead letters and history in one snapshot.
CREATE OR REPLACE FUNCTION list_jobs(
    p_queue text DEFAULT NULL, p_status text DEFAULT NULL, p_workflow text DEFAULT NULL, p_tenant text DEFAULT NULL,
    p_limit integer DEFAULT 100, p_before uuid DEFAULT NULL)
RETURNS SETOF all_jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope record;
    v_job   all_jobs;
    v_bytes bigint := 0;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    FOR v_job IN SELECT * FROM all_jobs a
                  WHERE in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
                    AND (p_queue IS NULL OR a.queue_name = p_queue) AND (p_status IS NULL OR a.status = p_status::job_status)
                    AND (p_workflow IS NULL OR a.workflow = p_workflow) AND (p_tenant IS NULL OR a.tenant_id = p_tenant)
                    AND (p_before IS NULL OR a.id < p_before)
                  ORDER BY a.id DESC LIMIT least(p_limit, 1000)
    LOOP
        EXIT WHEN v_bytes > 16777216;
        v_bytes := v_bytes + documents_size(v_job.payload, v_job.result);
        RETURN NEXT v_job;
    END LOOP;
END $$;
