-- Lets no job of a queue be claimed until resume_queue. It goes on taking jobs, and what runs goes on.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: nothing.
-- Errors: CR002 when there has never been a job in the queue.
-- Guarantees: repeatable. Counts for every claim that begins after the commit.
CREATE OR REPLACE FUNCTION pause_queue(p_queue text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM check_queue_known(p_queue);
    INSERT INTO paused_queues (queue_name, paused_at, paused_by) VALUES (p_queue, clock(), session_user) ON CONFLICT DO NOTHING;
END $$;

-- Lets the jobs of a paused queue be claimed again, and tells its robots.
--
-- Arguments:
--   p_queue: the queue.
-- Returns: nothing.
-- Errors: CR002 when there has never been a job in the queue.
-- Guarantees: repeatable.
CREATE OR REPLACE FUNCTION resume_queue(p_queue text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM check_queue_known(p_queue);
    DELETE FROM paused_queues p WHERE p.queue_name = p_queue;
    PERFORM announce(p_queue, 1000);
END $$;
