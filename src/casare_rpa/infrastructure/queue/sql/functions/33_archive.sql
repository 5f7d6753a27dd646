-- Moves a job that did not complete into history. A cancelled job's reference is free again.
CREATE OR REPLACE FUNCTION archive(p_job jobs, p_now timestamptz, p_status job_status) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM jobs j WHERE j.id = p_job.id;
    INSERT INTO job_history (id, seq, created_at, run_at, claimed_at, started_at, finished_at, cancel_requested_at, retry_delay,
                             visibility_timeout, time_limit, status, max_retries, attempt, crashes, priority, queue_name, workflow, on_crash,
                             tenant_id, reference, claimed_by, tags, metadata, requirements, error, payload)
    VALUES (p_job.id, p_job.seq, p_job.created_at, p_job.run_at, p_job.claimed_at, p_job.started_at, p_now, p_job.cancel_requested_at,
            p_job.retry_delay, p_job.visibility_timeout, p_job.time_limit, p_status, p_job.max_retries, p_job.attempt, p_job.crashes,
            p_job.priority, p_job.queue_name, p_job.workflow, p_job.on_crash, p_job.tenant_id, p_job.reference, p_job.claimed_by, p_job.tags,
            p_job.metadata, p_job.requirements, p_job.error, p_job.payload);
    IF p_status = 'CANCELLED' AND EXISTS (SELECT FROM subscriptions s WHERE p_job.queue_name = ANY (s.wants) OR p_job.id = ANY (s.wants_jobs)) THEN
        PERFORM emit_job('cancelled', p_status, p_now, p_job);
    END IF;
    IF p_status = 'CANCELLED' AND p_job.reference IS NOT NULL THEN
        PERFORM free_reference(p_job.tenant_id, p_job.queue_name, p_job.reference, p_job.id);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION free_reference(p_tenant text, p_queue text, p_reference text, p_id uuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM job_references r
     WHERE r.tenant_id = coalesce(p_tenant, '') AND r.queue_name = p_queue AND r.reference = p_reference AND r.job_id = p_id
$$;
