-- Names of notification channels: digests, since a channel's name is an identifier and has 63 bytes.
CREATE OR REPLACE FUNCTION queue_channel(p_queue text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT 'casare_q_' || md5(current_schema() || '/' || p_queue) $$;

CREATE OR REPLACE FUNCTION robot_channel(p_incarnation uuid) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT 'casare_r_' || md5(current_schema() || '/' || p_incarnation) $$;

-- Tells the robots of a queue that jobs are ready. The random half of the message decides which of them wake.
CREATE OR REPLACE FUNCTION announce(p_queue text, p_jobs bigint) RETURNS void
LANGUAGE sql VOLATILE AS $$ SELECT pg_notify(queue_channel(p_queue), p_jobs || ':' || substr(md5(random()::text), 1, 8)) $$;
