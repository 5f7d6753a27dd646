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
DECLARE
    v_now   timestamptz := clock();
    v_scope record;
    v_dead  dead_letter_queue;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    FOR v_dead IN
        SELECT * FROM dead_letter_queue d
         WHERE d.id = ANY (p_ids) AND (v_scope.tenant IS NULL OR d.tenant_id = v_scope.tenant) AND (v_scope.queues IS NULL OR d.queue_name = ANY (v_scope.queues))
           AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.id) -- an id that somebody has used once more
         ORDER BY d.id FOR UPDATE OF d
    LOOP
        DELETE FROM dead_letter_queue d WHERE d.id = v_dead.id;
        INSERT INTO jobs (id, seq, route_id, created_at, status, priority, crashes, queue_name, workflow, tenant_id, reference, tags, metadata,
                          requirements, max_retries, retry_delay, visibility_timeout, time_limit, on_crash, enable_dlq, error, payload)
        VALUES (v_dead.id, next_place(), intern_route(v_dead.queue_name, v_dead.tenant_id, v_dead.requirements, v_dead.priority), v_dead.created_at,
                'PENDING', v_dead.priority, v_dead.crashes, v_dead.queue_name, v_dead.workflow, v_dead.tenant_id, v_dead.reference, v_dead.tags,
                v_dead.metadata, v_dead.requirements, v_dead.max_retries, v_dead.retry_delay, v_dead.visibility_timeout, v_dead.time_limit,
                v_dead.on_crash, v_dead.enable_dlq, v_dead.error, v_dead.payload);
        PERFORM announce(v_dead.queue_name, 1);
        IF EXISTS (SELECT FROM subscriptions) THEN
            PERFORM emit_jobs('redriven', 'PENDING', v_now, ARRAY[v_dead.id]);
        END IF;
        RETURN NEXT v_dead.id;
    END LOOP;
END $$;
