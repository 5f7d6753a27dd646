-- Removes the PENDING jobs of one queue without a trace, references and attempts included.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: how many were removed.
-- Errors: CR002 when there has never been a job in the queue.
-- Guarantees: touches no job that a robot has, nor one that a robot is claiming at this moment, and waits for nobody.
CREATE OR REPLACE FUNCTION purge_queue(p_queue text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_tenant text := caller_tenant(p_queue);
    v_count  bigint;
BEGIN
    PERFORM check_queue_known(p_queue);
    WITH waiting AS (
        SELECT j.id FROM jobs j
         WHERE j.queue_name = p_queue AND j.status = 'PENDING' AND (v_tenant IS NULL OR j.tenant_id = v_tenant)
         ORDER BY j.id FOR UPDATE SKIP LOCKED
    ), purged AS (
        DELETE FROM jobs j USING waiting w WHERE j.id = w.id RETURNING j.id, j.tenant_id, j.reference
    ), freed AS (
        DELETE FROM job_references r USING purged p
         WHERE p.reference IS NOT NULL AND r.tenant_id = coalesce(p.tenant_id, '') AND r.queue_name = p_queue AND r.reference = p.reference AND r.job_id = p.id
    ), forgotten AS (
        DELETE FROM job_attempts a USING purged p WHERE a.job_id = p.id
    )
    SELECT count(*) INTO v_count FROM purged;
    RETURN v_count;
END $$;

-- A queue exists from its first job on.
CREATE OR REPLACE FUNCTION check_queue_known(p_queue text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM routes r WHERE r.queue_name = p_queue) THEN
        RAISE EXCEPTION 'there is no queue "%"', p_queue USING ERRCODE = 'CR002';
    END IF;
END $$;
