-- Names of notification channels: digests, since a channel's name is an identifier and has 63 bytes.
CREATE OR REPLACE FUNCTION queue_channel(p_queue text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT 'casare_q_' || md5(current_schema() || '/' || p_queue) $$;

CREATE OR REPLACE FUNCTION robot_channel(p_incarnation uuid) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT 'casare_r_' || md5(current_schema() || '/' || p_incarnation) $$;

CREATE OR REPLACE FUNCTION event_channel(p_secret uuid) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT 'casare_e_' || replace(p_secret::text, '-', '') $$;

-- Notifies at the commit, unless the server's queue of notifications is half full because somebody does not read his: once it is full,
-- no transaction that notifies can commit, and none of ours may fail for what only speeds things up. Any login can fill it.
CREATE OR REPLACE FUNCTION notify_quietly(p_channel text, p_message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_notification_queue_usage() <= 0.5 THEN
        PERFORM pg_notify(p_channel, p_message);
    END IF;
END $$;

-- Tells the robots of a queue that jobs are ready. The random half of the message decides which of them wake.
CREATE OR REPLACE FUNCTION announce(p_queue text, p_jobs bigint) RETURNS void
LANGUAGE sql VOLATILE AS $$ SELECT notify_quietly(queue_channel(p_queue), p_jobs || ':' || substr(md5(random()::text), 1, 8)) $$;

-- The advisory lock that robots of a queue share while they wait for jobs.
CREATE OR REPLACE FUNCTION waiting_key(p_queue text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT hashtextextended('casare waits ' || current_schema() || '/' || p_queue, 0) $$;

-- Robots of a queue that were seen lately and may claim what a tenant has: a tenant's login that invents robots makes those of other
-- tenants sleep no longer. Plain SQL, so that it becomes part of the query.
CREATE OR REPLACE FUNCTION robots_of(p_queue text, p_tenant text, p_now timestamptz) RETURNS SETOF robots
LANGUAGE sql STABLE AS $$
    SELECT r.* FROM robots r
     WHERE r.queue_name = p_queue AND r.seen_at > p_now - interval '40 seconds' AND (p_tenant IS NULL OR r.tenant_id IS NULL OR r.tenant_id = p_tenant)
$$;

-- How many of them there are, 1000 at most: it decides how many of them are woken, and every heartbeat asks.
CREATE OR REPLACE FUNCTION fleet_size(p_queue text, p_tenant text, p_now timestamptz) RETURNS integer
LANGUAGE sql STABLE AS $$ SELECT count(*)::integer FROM (SELECT FROM robots_of(p_queue, p_tenant, p_now) LIMIT 1000) r $$;

-- The channels that a robot listens on: names are digests, and differ from schema to schema.
--
-- Arguments:
--   p_queue: the queue whose jobs it waits for.
--   p_incarnation: the secret UUID that the robot has made for itself and claims with.
-- Returns: the channel of the queue, on which jobs are announced, and the robot's own, on which it hears of cancellations.
-- Errors: none of its own.
-- Guarantees: reads nothing and changes nothing.
CREATE OR REPLACE FUNCTION channels(p_queue text, p_incarnation uuid, OUT queue text, OUT robot text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$ SELECT queue_channel(p_queue), robot_channel(p_incarnation) $$;
