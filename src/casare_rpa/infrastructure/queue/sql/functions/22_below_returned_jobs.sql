-- Floors that pass over no job that was given back with its old place.
CREATE OR REPLACE FUNCTION below_returned_jobs(p_routes bigint[], p_floors bigint[]) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(least(f.floor, (SELECT j.seq - 1 FROM jobs j
                                      WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred AND j.returned
                                      ORDER BY j.seq LIMIT 1)) ORDER BY f.ordinal)
      FROM unnest(p_routes, p_floors) WITH ORDINALITY f(route_id, floor, ordinal)
$$;
