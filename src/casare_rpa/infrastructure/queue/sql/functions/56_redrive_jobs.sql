-- Puts dead letters back into their queues: same id, same reference, attempts counted from 1 again, crashes counted on.
--
-- Arguments:
--   p_ids: the jobs' ids.
-- Returns: the ids that were put back; what is not a dead letter (any more) is left out.
-- Errors: CR005 for a login that is not registered.
-- Guarantees: repeatable: the second time there is nothing to put back. They go to the end of the order. Rows are locked in the order of
--   their ids, and a transaction that is changing one of them is waited for.
CREATE OR REPLACE FUNCTION redrive_jobs(p_ids uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN QUERY SELECT * FROM redrive_jobs_once(p_ids, NULL);
END $$;

-- Redrives as `redrive_jobs` does, and can be asked again what it did.
--
-- Arguments:
--   p_ids: the jobs' ids.
--   p_request: an id of the caller's own for this call, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: the ids that were put back; what is not a dead letter (any more) is left out.
-- Errors: CR005 for a login that is not registered.
-- Guarantees: a call that is sent again with its p_request does nothing more and answers as the first time, even if jobs have died again
--   since. The rest is as for `redrive_jobs`.
CREATE OR REPLACE FUNCTION redrive_jobs_once(p_ids uuid[], p_request uuid) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope record;
    v_ids   uuid[];
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    v_ids := done_before(p_request);
    IF v_ids IS NOT NULL THEN
        RETURN QUERY SELECT unnest(v_ids);
        RETURN;
    END IF;
    v_ids := ARRAY(SELECT d.id FROM dead_letter_queue d
                    WHERE d.id = ANY (p_ids) AND in_scope(v_scope.tenant, v_scope.queues, d.tenant_id, d.queue_name)
                    ORDER BY d.id FOR UPDATE);
    v_ids := redrive_all(v_ids, clock(), p_request); -- only now: locks may have been waited for
    PERFORM announce_ready(v_ids);
    RETURN QUERY SELECT unnest(v_ids);
END $$;

-- Puts dead letters back into their queues and returns the ids of those that were. The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION redrive_all(p_ids uuid[], p_now timestamptz, p_request uuid) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_dead dead_letter_queue;
    v_done uuid[] := '{}';
BEGIN
    FOR v_dead IN
        SELECT * FROM dead_letter_queue d
         WHERE d.id = ANY (p_ids) AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.id) -- an id that somebody has used once more
         ORDER BY d.id
    LOOP
        DELETE FROM dead_letter_queue d WHERE d.id = v_dead.id;
        INSERT INTO jobs (id, seq, route_id, created_at, status, priority, crashes, queue_name, workflow, tenant_id, reference, tags, metadata,
                          requirements, max_retries, retry_delay, visibility_timeout, time_limit, on_crash, enable_dlq, error, payload)
        VALUES (v_dead.id, next_place(), intern_route(v_dead.queue_name, v_dead.tenant_id, v_dead.requirements, v_dead.priority), v_dead.created_at,
                'PENDING', v_dead.priority, v_dead.crashes, v_dead.queue_name, v_dead.workflow, v_dead.tenant_id, v_dead.reference, v_dead.tags,
                v_dead.metadata, v_dead.requirements, v_dead.max_retries, v_dead.retry_delay, v_dead.visibility_timeout, v_dead.time_limit,
                v_dead.on_crash, v_dead.enable_dlq, v_dead.error, v_dead.payload);
        PERFORM remember_action(v_dead.id, v_dead.tenant_id, v_dead.queue_name, p_now, 'redriven', NULL, NULL, p_request);
        v_done := v_done || v_dead.id;
    END LOOP;
    IF v_done <> '{}' AND EXISTS (SELECT FROM subscriptions s WHERE s.wants <> '{}' OR s.wants_jobs && v_done) THEN
        PERFORM emit_jobs('redriven', 'PENDING', p_now, v_done);
    END IF;
    RETURN v_done;
END $$;
