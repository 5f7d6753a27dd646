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
BEGIN
    RETURN cancel_job_once(p_id, NULL);
END $$;

-- Cancels as `cancel_job` does, and can be asked again what it did.
--
-- Arguments:
--   p_id: the job's id.
--   p_request: an id of the caller's own for this call, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: true when it is cancelled or its robot has been asked, false when it had ended before.
-- Errors: CR001 when there is no such job. CR005 for a login that is not registered.
-- Guarantees: a call that is sent again with its p_request does nothing more and answers true if it was the one that cancelled. The rest is
--   as for `cancel_job`.
CREATE OR REPLACE FUNCTION cancel_job_once(p_id uuid, p_request uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope record;
    v_job   jobs;
    v_final boolean;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF done_before(p_request) IS NOT NULL THEN
        RETURN true;
    END IF;
    LOOP
        SELECT * INTO v_job FROM jobs j
         WHERE j.id = p_id AND in_scope(v_scope.tenant, v_scope.queues, j.tenant_id, j.queue_name)
           FOR UPDATE;
        EXIT WHEN FOUND;
        SELECT f.status IN ('COMPLETED', 'FAILED', 'CANCELLED') INTO v_final FROM find_job(p_id) f;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no job %', p_id USING ERRCODE = 'CR001';
        ELSIF v_final THEN
            RETURN false;
        END IF; -- it has come, or come back, between the two looks
    END LOOP;
    PERFORM cancel(v_job, clock(), p_request); -- only now: the lock may have been waited for
    RETURN true;
END $$;

-- Cancels a job that has not ended. The caller holds the row's lock.
CREATE OR REPLACE FUNCTION cancel(p_job jobs, p_now timestamptz, p_request uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_job.cancel_requested_at IS NULL THEN
        PERFORM remember_action(p_job.id, p_job.tenant_id, p_job.queue_name, p_now, 'cancelled', NULL, NULL, p_request);
    END IF;
    IF p_job.status = 'RUNNING' THEN
        UPDATE jobs j SET cancel_requested_at = coalesce(j.cancel_requested_at, p_now) WHERE j.id = p_job.id;
        PERFORM notify_quietly(robot_channel(p_job.incarnation), 'cancel');
        IF p_job.cancel_requested_at IS NULL AND EXISTS (SELECT FROM subscriptions s WHERE p_job.queue_name = ANY (s.wants) OR p_job.id = ANY (s.wants_jobs)) THEN
            PERFORM emit_job('cancel_requested', 'RUNNING', p_now, p_job);
        END IF;
    ELSIF p_job.status = 'CLAIMED' THEN
        p_job.cancel_requested_at := p_now;
        PERFORM end_attempt(p_job, p_now, 'released', NULL, NULL, true), notify_quietly(robot_channel(p_job.incarnation), 'cancel');
    ELSE
        p_job.cancel_requested_at := p_now;
        PERFORM archive(p_job, p_now, 'CANCELLED');
    END IF;
END $$;
