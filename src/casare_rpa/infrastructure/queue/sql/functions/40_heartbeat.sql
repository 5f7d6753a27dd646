-- Extends every lease that one robot holds, and brings back what it has lost and what it was asked to cancel.
--
-- Arguments:
--   p_robot: the robot's name, 1 to 200 characters.
--   p_incarnation: the secret UUID that it claims with.
--   p_queue: the queue that it works on.
--   p_ids: the ids of all the jobs that it holds.
--   p_tokens: for each of them the lease token.
--   p_ceiling: the number of the latest request that the robot had sent when it put this together.
--   p_in_flight: the numbers of claims whose reply may still come.
-- Returns: the ids of the jobs whose lease was lost, the ids of those that somebody asked to cancel, and how many robots the queue has,
--   1000 at most.
-- Errors: CR004 for arguments out of range. CR005 for a queue that is not the login's.
-- Guarantees: repeatable. It never waits: a row that is being settled at this moment is left to that. No lease outlives the job's time
--   limit by more than its own length, so that a hung handler is not kept alive for ever. What the database has in this incarnation's
--   name from a claim whose reply the robot did not get (a request up to p_ceiling that is neither in flight nor held) is released,
--   the attempt given back. Of a tenant's robots 10,000 are counted.
CREATE OR REPLACE FUNCTION heartbeat(
    p_robot text, p_incarnation uuid, p_queue text, p_ids uuid[], p_tokens uuid[], p_ceiling bigint, p_in_flight bigint[],
    OUT lost uuid[], OUT cancelled uuid[], OUT fleet integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_now    timestamptz := clock();
    v_tenant text := caller_tenant(p_queue);
    v_orphan jobs;
BEGIN
    IF (length(p_robot) BETWEEN 1 AND 200 AND length(p_queue) BETWEEN 1 AND 200 AND p_incarnation IS NOT NULL) IS NOT TRUE THEN
        RAISE EXCEPTION 'a heartbeat names its robot and its queue, with 1 to 200 characters, and its incarnation' USING ERRCODE = 'CR004';
    END IF;
    WITH held AS (
        SELECT j.id FROM unnest(p_ids, p_tokens) u(id, token) JOIN jobs j ON j.id = u.id AND j.lease_token = u.token
         ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
    )
    UPDATE jobs j SET lease_expires_at = least(v_now + seconds(j.lease_seconds), j.started_at + seconds(j.time_limit + j.lease_seconds))
      FROM held h WHERE j.id = h.id;

    FOR v_orphan IN
        SELECT * FROM jobs j
         WHERE j.incarnation = p_incarnation AND j.status IN ('CLAIMED', 'RUNNING') AND j.request <= p_ceiling
           AND j.request <> ALL (p_in_flight) AND j.lease_token <> ALL (p_tokens)
         ORDER BY j.id FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM end_attempt(v_orphan, v_now, 'released', NULL, NULL, true);
    END LOOP;

    SELECT coalesce(array_agg(u.id) FILTER (WHERE j.id IS NULL), '{}'),
           coalesce(array_agg(u.id) FILTER (WHERE j.cancel_requested_at IS NOT NULL), '{}')
      INTO lost, cancelled
      FROM unnest(p_ids, p_tokens) u(id, token) LEFT JOIN jobs j ON j.id = u.id AND j.lease_token = u.token;

    IF EXISTS (SELECT FROM robots r WHERE r.incarnation = p_incarnation) THEN
        UPDATE robots r SET seen_at = v_now
         WHERE r.incarnation = (SELECT s.incarnation FROM robots s WHERE s.incarnation = p_incarnation FOR UPDATE SKIP LOCKED);
    ELSIF (SELECT count(*) FROM (SELECT FROM robots r WHERE r.tenant_id IS NOT DISTINCT FROM v_tenant LIMIT 10000) t) < 10000 THEN
        INSERT INTO robots (incarnation, robot_id, queue_name, tenant_id, seen_at)
        VALUES (p_incarnation, p_robot, p_queue, v_tenant, v_now) ON CONFLICT DO NOTHING;
    END IF;
    fleet := fleet_size(p_queue, v_tenant, v_now);
END $$;
