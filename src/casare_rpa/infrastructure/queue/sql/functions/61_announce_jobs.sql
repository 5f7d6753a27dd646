-- Tells the robots of a queue that so many jobs are ready: what a producer calls after its commit.
CREATE OR REPLACE FUNCTION announce_jobs(p_queues text[], p_jobs bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT announce(u.queue_name, u.jobs) FROM unnest(p_queues, p_jobs) u(queue_name, jobs)
$$;

-- The channels that a robot listens on.
CREATE OR REPLACE FUNCTION channels(p_queue text, p_incarnation uuid, OUT queue text, OUT robot text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$ SELECT queue_channel(p_queue), robot_channel(p_incarnation) $$;
