-- Cancels a job. One that waits, or that is claimed but not yet started, is cancelled now; the robot of one that runs is asked to
-- stop, by a notification and with its next heartbeat.
--
-- Arguments:
--   p_id: the job's id.
-- Returns: true when it is cancelled or its robot has been asked, false when it has ended already.
-- Errors: CR001 when there is no such job. CR005 for a login that is not registered.
-- Guarantees: repeatable. It frees the reference of a job that is cancelled. It locks the job, and waits for a transaction that is
--   changing it.
CREATE OR REPLACE FUNCTION cancel_job(p_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_now   timestamptz;
    v_scope record;
    v_job   jobs;
    v_final boolean;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    LOOP
        SELECT * INTO v_job FROM jobs j
         WHERE j.id = p_id AND (v_scope.tenant IS NULL OR j.tenant_id = v_scope.tenant) AND (v_scope.queues IS NULL OR j.queue_name = ANY (v_scope.queues))
           FOR UPDATE;
        EXIT WHEN FOUND;
        SELECT f.status IN ('COMPLETED', 'FAILED', 'CANCELLED') INTO v_final FROM find_job(p_id) f;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no job %', p_id USING ERRCODE = 'CR001';
        ELSIF v_final THEN
            RETURN false;
        END IF; -- it has come, or come back, between the two looks
    END LOOP;
    v_now := clock(); -- only now: the lock may have been waited for
    IF v_job.status = 'RUNNING' THEN
        UPDATE jobs j SET cancel_requested_at = coalesce(j.cancel_requested_at, v_now) WHERE j.id = p_id;
        PERFORM pg_notify(robot_channel(v_job.incarnation), 'cancel');
        IF v_job.cancel_requested_at IS NULL AND EXISTS (SELECT FROM subscriptions) THEN
            PERFORM emit_job('cancel_requested', 'RUNNING', v_now, v_job);
        END IF;
    ELSIF v_job.status = 'CLAIMED' THEN
        v_job.cancel_requested_at := v_now;
        PERFORM end_attempt(v_job, v_now, 'released', NULL, NULL, true), pg_notify(robot_channel(v_job.incarnation), 'cancel');
    ELSE
        v_job.cancel_requested_at := v_now;
        PERFORM archive(v_job, v_now, 'CANCELLED');
    END IF;
    RETURN true;
END $$;
