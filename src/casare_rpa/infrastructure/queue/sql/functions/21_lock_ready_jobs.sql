-- Locks up to p_limit ready jobs and returns their ids. The arrays describe routes, those of the highest priority first, each with
-- the floor to scan it from.
CREATE OR REPLACE FUNCTION lock_ready_jobs(p_routes bigint[], p_priorities smallint[], p_floors bigint[], p_limit integer) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_ids  uuid[] := '{}';
    v_from integer := 1;
    v_to   integer;
BEGIN
    WHILE v_from <= cardinality(p_routes) AND cardinality(v_ids) < p_limit LOOP
        v_to := v_from;
        WHILE p_priorities[v_to + 1] = p_priorities[v_from] LOOP
            v_to := v_to + 1;
        END LOOP;
        IF v_to = v_from THEN
            v_ids := v_ids || ARRAY(
                SELECT j.id FROM jobs j
                 WHERE j.route_id = p_routes[v_from] AND j.status = 'PENDING' AND NOT j.deferred AND j.seq > p_floors[v_from]
                 ORDER BY j.seq LIMIT p_limit - cardinality(v_ids) FOR UPDATE SKIP LOCKED);
        ELSE
            v_ids := v_ids || lock_ready_jobs_across(p_routes[v_from:v_to], p_floors[v_from:v_to], p_limit - cardinality(v_ids));
        END IF;
        v_from := v_to + 1;
    END LOOP;
    RETURN v_ids;
END $$;

-- The same for routes that share a priority: how many to take of each is looked up without locks, so that two robots do not hide
-- jobs from each other for a moment; what others took meanwhile is made up for from any of them.
CREATE OR REPLACE FUNCTION lock_ready_jobs_across(p_routes bigint[], p_floors bigint[], p_limit integer) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_ids   uuid[] := '{}';
    v_share record;
BEGIN
    FOR v_share IN
        SELECT m.route_id, m.floor, count(*)::integer AS jobs
          FROM (SELECT f.route_id, f.floor
                  FROM unnest(p_routes, p_floors) f(route_id, floor)
                 CROSS JOIN LATERAL (SELECT j.seq FROM jobs j
                                      WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred AND j.seq > f.floor
                                      ORDER BY j.seq LIMIT p_limit) c
                 ORDER BY c.seq LIMIT p_limit) m
         GROUP BY m.route_id, m.floor
    LOOP
        v_ids := v_ids || lock_ready_jobs(ARRAY[v_share.route_id], ARRAY[0::smallint], ARRAY[v_share.floor], v_share.jobs);
    END LOOP;
    FOR i IN 1 .. cardinality(p_routes) LOOP
        EXIT WHEN cardinality(v_ids) >= p_limit;
        v_ids := v_ids || ARRAY(SELECT u.id FROM unnest(lock_ready_jobs(p_routes[i:i], ARRAY[0::smallint], p_floors[i:i], p_limit)) u(id)
                                 WHERE u.id <> ALL (v_ids) LIMIT p_limit - cardinality(v_ids));
    END LOOP;
    RETURN v_ids;
END $$;
