-- Gives a dead letter another payload, for example to redrive it then. The old one is kept in the job's actions.
--
-- Arguments:
--   p_id: the job's id.
--   p_payload: a JSON object within the limit of payloads.
--   p_comment: why, 1 to 10,000 characters; NULL is nothing.
--   p_request: an id of the caller's own for this call, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: nothing.
-- Errors: CR001 when there is no such job. CR006 when it is no dead letter (any more): the message says what it is. CR004 for a payload or a
--   comment that cannot be stored, or when the job has 1000 comments and edits. CR005 for a login that is not registered.
-- Guarantees: repeatable with a p_request; without one, a second call is a further action. It locks the letter, and waits for a transaction that is changing it.
CREATE OR REPLACE FUNCTION edit_payload(p_id uuid, p_payload jsonb, p_comment text DEFAULT NULL, p_request uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_scope  record;
    v_dead   dead_letter_queue;
    v_status text;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF done_before(p_request) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT * INTO v_dead FROM dead_letter_queue d
     WHERE d.id = p_id AND in_scope(v_scope.tenant, v_scope.queues, d.tenant_id, d.queue_name) FOR UPDATE;
    IF NOT FOUND THEN
        SELECT f.status INTO v_status FROM find_job(p_id) f LIMIT 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no job %', p_id USING ERRCODE = 'CR001';
        END IF;
        RAISE EXCEPTION 'job % is no dead letter: it is %', p_id, v_status || CASE v_status WHEN 'FAILED' THEN ' and closed' ELSE '' END USING ERRCODE = 'CR006';
    END IF;
    PERFORM check_comment(p_id, p_comment), check_payloads(ARRAY[p_id], ARRAY[p_payload]),
            remember_action(p_id, v_dead.tenant_id, v_dead.queue_name, clock(), 'edited', p_comment, jsonb_build_object('payload', v_dead.payload), p_request);
    UPDATE dead_letter_queue d SET payload = p_payload WHERE d.id = p_id;
END $$;
