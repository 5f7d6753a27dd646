-- What there is of every queue that the login may see: how many jobs wait, are held and are dead, since when the first in line
-- waits, and how many ended within the last minute.
--
-- Arguments:
--   p_queue: one queue; NULL is all of them.
-- Returns: a row for each queue, in no particular order. `waiting` is `due` and `deferred` together. `oldest_due_at` is the time
-- since which the job at the head of the line has been due, `oldest_seconds` how long ago that was. `failed_per_minute` counts
-- jobs that failed for good. `estimated` says that a number of the row is an estimate.
-- Errors: CR002 when there is no such queue: one exists from its first job on. CR005 for a queue that is not the login's.
-- Guarantees: changes and locks nothing, and sees all in one snapshot. Some 25,000 jobs are counted to the last. Of more of them
-- 10,000 are, the smallest queues first, and the rest is estimated from 2,000 pages: a look at ten million jobs costs about what one
-- at a hundred thousand does.
CREATE OR REPLACE FUNCTION list_queues(p_queue text DEFAULT NULL)
RETURNS TABLE (
    queue_name text, waiting bigint, due bigint, deferred bigint, claimed bigint, running bigint, dead_letters bigint, oldest_due_at timestamptz,
    oldest_seconds double precision, completed_per_minute bigint, failed_per_minute bigint, paused_at timestamptz, paused_by name, estimated boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    v_now     timestamptz := clock();
    v_minute  timestamptz := v_now - interval '1 minute';
    v_scope   record;
    v_queue   record;
    v_waiting record;
    v_dead    record;
    v_big     boolean := is_big('jobs');
    v_left    bigint := 10000;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF p_queue IS NOT NULL THEN
        PERFORM caller_tenant(p_queue);
    END IF;
    FOR v_queue IN
        WITH guessed AS MATERIALIZED (SELECT * FROM sample_jobs(v_now)),
             held AS MATERIALIZED (SELECT * FROM count_held(CASE WHEN v_big THEN 20000 END)),
             ended AS MATERIALIZED (SELECT * FROM count_ended(v_minute, v_now, v_scope.tenant)),
             dead AS MATERIALIZED (SELECT * FROM sample_deaths(v_scope.tenant, v_minute))
        SELECT q.queue_name, q.routes, g.*, h.*, e.*, p.paused_at, p.paused_by, d.letters, d.lately
          FROM (SELECT r.queue_name, array_agg(DISTINCT r.route_id) AS routes FROM routes r
                 WHERE (p_queue IS NULL OR r.queue_name = p_queue) AND in_scope(v_scope.tenant, v_scope.queues, r.tenant_id, r.queue_name)
                 GROUP BY r.queue_name) q
         CROSS JOIN LATERAL (SELECT sum(s.ready) AS ready, sum(s.ripe) AS ripe, sum(s.deferred) AS deferred, sum(s.claimed) AS claimed_guess,
                                    sum(s.running) AS running_guess FROM guessed s WHERE s.route_id = ANY (q.routes)) g
         CROSS JOIN LATERAL (SELECT coalesce(sum(c.claimed), 0) AS claimed, coalesce(sum(c.running), 0) AS running, (SELECT bool_or(cut) FROM held) AS held_cut
                               FROM held c WHERE c.route_id = ANY (q.routes)) h
         CROSS JOIN LATERAL (SELECT coalesce(sum(c.completed), 0) AS completed, coalesce(sum(c.failed), 0) AS failed, (SELECT bool_or(cut) FROM ended) AS ended_cut
                               FROM ended c WHERE c.queue_name = q.queue_name) e
          LEFT JOIN paused_queues p ON p.queue_name = q.queue_name
          LEFT JOIN dead d ON d.queue_name = q.queue_name
         ORDER BY coalesce(g.ready, 0) + coalesce(g.deferred, 0)
    LOOP
        SELECT * INTO v_waiting FROM count_waiting(v_queue.routes, v_now, CASE WHEN v_big THEN greatest(v_left, 1) END, v_queue.ready, v_queue.ripe, v_queue.deferred);
        v_left := v_left - v_waiting.counted;
        SELECT * INTO v_dead FROM count_deaths(v_queue.queue_name, v_scope.tenant, v_minute, v_queue.letters, v_queue.lately);

        queue_name := v_queue.queue_name;
        due := v_waiting.due;
        deferred := v_waiting.deferred;
        waiting := due + deferred;
        claimed := CASE WHEN v_queue.held_cut THEN greatest(v_queue.claimed, v_queue.claimed_guess) ELSE v_queue.claimed END;
        running := CASE WHEN v_queue.held_cut THEN greatest(v_queue.running, v_queue.running_guess) ELSE v_queue.running END;
        dead_letters := v_dead.letters;
        oldest_due_at := head_of_line(v_queue.routes, v_now);
        oldest_seconds := extract(epoch FROM v_now - oldest_due_at);
        completed_per_minute := v_queue.completed;
        failed_per_minute := v_queue.failed + v_dead.lately;
        paused_at := v_queue.paused_at;
        paused_by := v_queue.paused_by;
        estimated := v_waiting.cut OR v_dead.cut OR coalesce(v_queue.held_cut OR v_queue.ended_cut, false);
        RETURN NEXT;
    END LOOP;
    IF p_queue IS NOT NULL AND NOT FOUND THEN
        RAISE EXCEPTION 'there is no queue "%"', p_queue USING ERRCODE = 'CR002';
    END IF;
END $$;
