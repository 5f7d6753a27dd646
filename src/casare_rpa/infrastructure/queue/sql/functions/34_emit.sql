-- Tells those who subscribed what has become of some jobs, at the commit. Ask first whether somebody may want to hear of them: the
-- look into a table that is empty as a rule is all that events cost then. A notification takes a lock of the whole database at commit.
-- The arrays describe the jobs. A message is a JSON array of events, cut so that it stays below the 8000 bytes that a notification
-- may have.
CREATE OR REPLACE FUNCTION emit(
    p_event text, p_status job_status, p_now timestamptz, p_ids uuid[], p_queues text[], p_tenants text[], p_attempts integer[], p_robots text[])
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM notify_quietly(event_channel(m.channel), m.events)
       FROM (SELECT w.channel, w.message, '[' || string_agg(w.event, ',' ORDER BY w.ordinal) || ']' AS events
               FROM (SELECT s.channel, e.event, e.ordinal,
                            sum(octet_length(e.event)) OVER (PARTITION BY s.channel ORDER BY e.ordinal) / 5000 AS message
                       FROM (SELECT u.id, u.queue, u.tenant, u.ordinal,
                                    jsonb_build_object('job_id', u.id, 'queue_name', u.queue, 'event', p_event, 'status', p_status,
                                                       'attempt', u.attempt, 'robot', u.robot, 'at', p_now)::text AS event
                               FROM unnest(p_ids, p_queues, p_tenants, p_attempts, p_robots) WITH ORDINALITY u(id, queue, tenant, attempt, robot, ordinal)) e
                       JOIN subscriptions s ON (e.queue = ANY (s.wants) OR e.id = ANY (s.wants_jobs))
                        AND in_scope(s.tenant_id, s.queues, e.tenant, e.queue)
                      WHERE s.until > p_now) w
              GROUP BY w.channel, w.message ORDER BY w.channel, w.message) m;
END $$;

-- The same for jobs that are waiting or held.
CREATE OR REPLACE FUNCTION emit_jobs(p_event text, p_status job_status, p_now timestamptz, p_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM emit(p_event, p_status, p_now, array_agg(j.id), array_agg(j.queue_name), array_agg(j.tenant_id), array_agg(j.attempt), array_agg(j.claimed_by))
       FROM (SELECT j.* FROM unnest(p_ids) WITH ORDINALITY u(id, ordinal) JOIN jobs j ON j.id = u.id ORDER BY u.ordinal) j
     HAVING count(*) > 0;
END $$;

-- The same for one job that the caller has at hand.
CREATE OR REPLACE FUNCTION emit_job(p_event text, p_status job_status, p_now timestamptz, p_job jobs) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT emit(p_event, p_status, p_now, ARRAY[p_job.id], ARRAY[p_job.queue_name], ARRAY[p_job.tenant_id], ARRAY[p_job.attempt], ARRAY[p_job.claimed_by])
$$;

-- The same for jobs that have just completed; p_now is when.
CREATE OR REPLACE FUNCTION emit_completed(p_now timestamptz, p_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM emit('completed', 'COMPLETED', p_now, array_agg(h.id), array_agg(h.queue_name), array_agg(h.tenant_id), array_agg(h.attempt), array_agg(h.claimed_by))
       FROM job_history h WHERE h.finished_at = p_now AND h.id = ANY (p_ids)
     HAVING count(*) > 0;
END $$;
