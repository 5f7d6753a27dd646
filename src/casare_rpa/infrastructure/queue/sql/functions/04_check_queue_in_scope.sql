CREATE OR REPLACE FUNCTION check_queue_in_scope(p_queue text, p_queues text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_queues IS NOT NULL AND p_queue <> ALL (p_queues) THEN
        RAISE EXCEPTION 'the login "%" may not use the queue "%"', session_user, p_queue USING ERRCODE = 'CR005';
    END IF;
END $$;
