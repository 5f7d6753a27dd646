-- Makes up to p_limit due jobs of each route ready. A job that waited for its time takes its place in the order when it is due.
CREATE OR REPLACE FUNCTION promote_jobs(p_routes bigint[], p_now timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_promoted integer := 0;
    v_rows     integer;
    v_route    bigint;
    v_ids      uuid[];
BEGIN
    FOR v_route IN
        SELECT f.route_id FROM unnest(p_routes) WITH ORDINALITY f(route_id, ordinal)
         CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND j.deferred AND j.run_at <= p_now
                              ORDER BY j.run_at LIMIT 1) d -- with EXISTS, all deferred jobs of all queues might be walked
         ORDER BY f.ordinal
    LOOP
        SELECT array_agg(d.id) INTO v_ids
          FROM (SELECT j.id FROM jobs j
                 WHERE j.route_id = v_route AND j.status = 'PENDING' AND j.deferred AND j.run_at <= p_now
                 ORDER BY j.run_at LIMIT p_limit FOR UPDATE SKIP LOCKED) d;
        CONTINUE WHEN v_ids IS NULL;
        WITH placed AS MATERIALIZED ( -- or a join might draw places anew for each of its rows, in its own order
            SELECT o.id, next_place() AS place FROM (SELECT w.id FROM jobs w WHERE w.id = ANY (v_ids) ORDER BY w.run_at, w.seq) o
        )
        UPDATE jobs j SET deferred = false, seq = p.place FROM placed p WHERE j.id = p.id;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_promoted := v_promoted + v_rows;
    END LOOP;
    RETURN v_promoted;
END $$;
