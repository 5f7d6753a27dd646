-- Puts one job into a queue, from any language and any driver, inside the caller's transaction; returns its id. p_options are the
-- other fields of a template (see enqueue_jobs). Robots are told at the commit only when p_notify asks for it, and find the job by
-- polling else: a notification takes a lock of the whole database at commit.
CREATE OR REPLACE FUNCTION enqueue_job(
    p_workflow text, p_payload jsonb DEFAULT '{}', p_queue text DEFAULT 'casare_rpa_jobs', p_priority integer DEFAULT 5,
    p_reference text DEFAULT NULL, p_run_at timestamptz DEFAULT NULL, p_options jsonb DEFAULT '{}', p_notify boolean DEFAULT false)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_id uuid := new_job_id();
BEGIN
    IF p_options ?| ARRAY['workflow', 'queue_name', 'priority'] THEN
        RAISE EXCEPTION 'p_options must not name the workflow, the queue or the priority: they are arguments of their own' USING ERRCODE = 'CR004';
    END IF;
    PERFORM enqueue_jobs(
        jsonb_build_array(p_options || jsonb_build_object('workflow', p_workflow, 'queue_name', p_queue, 'priority', p_priority)),
        ARRAY[1], ARRAY[v_id], ARRAY[p_payload], ARRAY[p_reference], ARRAY[p_run_at], p_notify => p_notify);
    RETURN v_id;
END $$;
