-- Ends the attempts whose visibility timeout ran out: their robots are taken for dead.
CREATE OR REPLACE FUNCTION expire_leases(p_now timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_job     jobs;
    v_expired integer := 0;
BEGIN
    FOR v_job IN
        SELECT * FROM jobs j WHERE j.status IN ('CLAIMED', 'RUNNING') AND j.lease_expires_at < p_now
         ORDER BY j.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM end_attempt(v_job, p_now, 'expired', format('the visibility timeout of %s s ran out without a heartbeat from %s', v_job.lease_seconds, v_job.claimed_by), NULL, true);
        v_expired := v_expired + 1;
    END LOOP;
    RETURN v_expired;
END $$;
