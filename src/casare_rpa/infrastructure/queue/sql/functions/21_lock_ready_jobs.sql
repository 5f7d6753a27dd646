-- Locks up to p_limit ready jobs of routes that share a priority, in order of their places, and returns their ids.
CREATE OR REPLACE FUNCTION lock_ready_jobs(p_routes bigint[], p_limit integer, p_floor_routes bigint[], p_floors bigint[]) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_ids   uuid[] := '{}';
    v_share record;
    v_route bigint;
BEGIN
    IF cardinality(p_routes) > 1 THEN
        -- Who holds the lowest places is looked up without locks, so that two robots do not hide jobs from each other for a moment.
        FOR v_share IN
            SELECT m.route_id, count(*)::integer AS jobs
              FROM (SELECT c.route_id
                      FROM unnest(p_routes) f(route_id)
                     CROSS JOIN LATERAL (SELECT j.route_id, j.seq FROM jobs j
                                          WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred
                                            AND j.seq > coalesce(p_floors[array_position(p_floor_routes, f.route_id)], 0)
                                          ORDER BY j.seq LIMIT p_limit) c
                     ORDER BY c.seq LIMIT p_limit) m
             GROUP BY m.route_id
        LOOP
            v_ids := v_ids || lock_ready_jobs_of(v_share.route_id, v_share.jobs, p_floor_routes, p_floors);
        END LOOP;
    END IF;
    FOREACH v_route IN ARRAY p_routes LOOP
        EXIT WHEN cardinality(v_ids) >= p_limit;
        v_ids := v_ids || lock_ready_jobs_of(v_route, p_limit - cardinality(v_ids), p_floor_routes, p_floors);
    END LOOP;
    RETURN v_ids;
END $$;

CREATE OR REPLACE FUNCTION lock_ready_jobs_of(p_route bigint, p_limit integer, p_floor_routes bigint[], p_floors bigint[]) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_floor bigint := coalesce(p_floors[array_position(p_floor_routes, p_route)], 0);
BEGIN
    RETURN (SELECT coalesce(array_agg(l.id), '{}')
              FROM (SELECT j.id FROM jobs j
                     WHERE j.route_id = p_route AND j.status = 'PENDING' AND NOT j.deferred AND j.seq > v_floor
                     ORDER BY j.seq LIMIT p_limit FOR UPDATE SKIP LOCKED) l);
END $$;
