-- Jobs that match, newest first, at most p_limit (1000); p_before is the id of the last one of the page before.
CREATE OR REPLACE FUNCTION list_jobs(
    p_queue text DEFAULT NULL, p_status text DEFAULT NULL, p_workflow text DEFAULT NULL, p_tenant text DEFAULT NULL,
    p_limit integer DEFAULT 100, p_before uuid DEFAULT NULL)
RETURNS SETOF all_jobs
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope record;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    RETURN QUERY SELECT * FROM all_jobs a
                  WHERE (v_scope.tenant IS NULL OR a.tenant_id = v_scope.tenant) AND (v_scope.queues IS NULL OR a.queue_name = ANY (v_scope.queues))
                    AND (p_queue IS NULL OR a.queue_name = p_queue) AND (p_status IS NULL OR a.status = p_status::job_status)
                    AND (p_workflow IS NULL OR a.workflow = p_workflow) AND (p_tenant IS NULL OR a.tenant_id = p_tenant)
                    AND (p_before IS NULL OR a.id < p_before)
                  ORDER BY a.id DESC LIMIT least(p_limit, 1000);
END $$;
