-- Moves a job into the dead letter queue, for a person to look at.
CREATE OR REPLACE FUNCTION bury(p_job jobs, p_now timestamptz, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM jobs j WHERE j.id = p_job.id;
    INSERT INTO dead_letter_queue (id, seq, created_at, run_at, claimed_at, started_at, finished_at, retry_delay, visibility_timeout, time_limit,
                                   max_retries, attempt, crashes, priority, enable_dlq, reason, queue_name, workflow, on_crash, tenant_id,
                                   reference, claimed_by, tags, metadata, requirements, error, error_shape, payload)
    VALUES (p_job.id, p_job.seq, p_job.created_at, p_job.run_at, p_job.claimed_at, p_job.started_at, p_now, p_job.retry_delay,
            p_job.visibility_timeout, p_job.time_limit, p_job.max_retries, p_job.attempt, p_job.crashes, p_job.priority, p_job.enable_dlq,
            p_reason, p_job.queue_name, p_job.workflow, p_job.on_crash, p_job.tenant_id, p_job.reference, p_job.claimed_by, p_job.tags,
            p_job.metadata, p_job.requirements, p_job.error, error_shape(p_job.error), p_job.payload);
END $$;

-- Folds the errors of up to p_limit dead letters from before there were shapes.
CREATE OR REPLACE FUNCTION shape_dead_letters(p_limit integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM dead_letter_queue d WHERE d.error_shape IS NULL) THEN
        UPDATE dead_letter_queue d SET error_shape = error_shape(d.error)
         WHERE d.id IN (SELECT x.id FROM dead_letter_queue x WHERE x.error_shape IS NULL ORDER BY x.id LIMIT p_limit FOR UPDATE SKIP LOCKED);
    END IF;
END $$;
