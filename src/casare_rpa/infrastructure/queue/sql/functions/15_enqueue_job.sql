-- Puts one job into a queue, from any language and any driver, inside the caller's transaction.
--
-- Arguments:
--   p_workflow: the name of what is to be run, 1 to 200 characters.
--   p_payload: a JSON object, 1 MiB at most as text and 64 levels deep.
--   p_queue: the queue, 1 to 200 characters; it exists from its first job on.
--   p_priority: 0 to 20; higher goes first.
--   p_reference: 1 to 500 characters, unique in the tenant and queue while any record of the job exists; NULL is none.
--   p_run_at: the time before which it does not run, from 1970 to 3000; NULL is now.
--   p_options: a JSON object with any other fields of a template, see enqueue_jobs.
--   p_notify: whether robots are told at the caller's commit; else they find the job by polling, within 5 seconds. A notification takes a
--     lock of the whole server at the commit.
-- Returns: the job's id.
-- Errors: CR003 when the reference is taken. CR004 for whatever cannot be stored, named in the message. CR005 for a tenant or a queue
--   that is not the login's.
-- Guarantees: the job is there when the caller's transaction commits, and leaves no trace when it does not. Called twice it makes two
--   jobs, unless a reference says that they are one. A reference that another open transaction is taking is waited for.
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
