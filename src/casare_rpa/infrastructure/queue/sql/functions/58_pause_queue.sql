-- A paused queue takes jobs and hands out none.
CREATE OR REPLACE FUNCTION pause_queue(p_queue text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM check_queue_known(p_queue);
    INSERT INTO paused_queues (queue_name, paused_at, paused_by) VALUES (p_queue, clock(), session_user) ON CONFLICT DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION resume_queue(p_queue text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM check_queue_known(p_queue);
    DELETE FROM paused_queues p WHERE p.queue_name = p_queue;
    PERFORM announce(p_queue, 1000);
END $$;
