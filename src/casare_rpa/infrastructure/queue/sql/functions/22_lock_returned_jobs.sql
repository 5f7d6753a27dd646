-- Locks up to p_limit jobs that were given back with their old places, and returns their ids.
CREATE OR REPLACE FUNCTION lock_returned_jobs(p_routes bigint[], p_limit integer) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    v_ids   uuid[] := '{}';
    v_route bigint;
BEGIN
    FOREACH v_route IN ARRAY p_routes LOOP
        EXIT WHEN cardinality(v_ids) >= p_limit;
        v_ids := v_ids || (SELECT coalesce(array_agg(l.id), '{}')
                             FROM (SELECT j.id FROM jobs j
                                    WHERE j.route_id = v_route AND j.status = 'PENDING' AND NOT j.deferred AND j.returned
                                    ORDER BY j.seq LIMIT p_limit - cardinality(v_ids) FOR UPDATE SKIP LOCKED) l);
    END LOOP;
    RETURN v_ids;
END $$;
