-- Counts of what is in `jobs`, each bounded; NULL as a bound is none.

CREATE OR REPLACE FUNCTION pages_of(p_table regclass) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT pg_relation_size(p_table) / current_setting('block_size')::bigint $$;

-- Whether a table is too big to count to the last row.
CREATE OR REPLACE FUNCTION is_big(p_table regclass) RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT pages_of(p_table) > 2000 $$;

-- A guess at how many jobs of each route are in which state, from 2,000 pages of a big table and always the same ones, so that it
-- does not jump from look to look. No statistics are needed, which are old or not there when a queue has just filled up.
CREATE OR REPLACE FUNCTION sample_jobs(p_now timestamptz)
RETURNS TABLE (route_id bigint, ready double precision, ripe double precision, deferred double precision, claimed double precision, running double precision)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_share double precision;
BEGIN
    IF is_big('jobs') THEN
        v_share := 2000.0 / pages_of('jobs');
        RETURN QUERY
        SELECT j.route_id,
               count(*) FILTER (WHERE j.status = 'PENDING' AND NOT j.deferred) / v_share,
               count(*) FILTER (WHERE j.status = 'PENDING' AND j.deferred AND j.run_at <= p_now) / v_share,
               count(*) FILTER (WHERE j.status = 'PENDING' AND j.deferred AND j.run_at > p_now) / v_share,
               count(*) FILTER (WHERE j.status = 'CLAIMED') / v_share,
               count(*) FILTER (WHERE j.status = 'RUNNING') / v_share
          FROM jobs j TABLESAMPLE SYSTEM (100 * v_share) REPEATABLE (1)
         GROUP BY j.route_id;
    END IF;
END $$;

-- Jobs of some routes that wait. Each kind is counted up to p_most; it is as many as was guessed (p_ready, p_ripe for those that
-- are due and not promoted yet, p_deferred) when there are more, and at once when that is clear. `counted` is what was looked at.
CREATE OR REPLACE FUNCTION count_waiting(
    p_routes bigint[], p_now timestamptz, p_most bigint, p_ready double precision, p_ripe double precision, p_deferred double precision,
    OUT due bigint, OUT deferred bigint, OUT cut boolean, OUT counted bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_ready_most    bigint := CASE WHEN p_ready > 2 * p_most THEN 1 ELSE p_most END;
    v_ripe_most     bigint := CASE WHEN p_ripe > 2 * p_most THEN 1 ELSE p_most END;
    v_deferred_most bigint := CASE WHEN p_deferred > 2 * p_most THEN 1 ELSE p_most END;
    v_ready         bigint := count_ready(p_routes, v_ready_most);
    v_ripe          bigint := count_deferred(p_routes, '-infinity', p_now, v_ripe_most);
    v_deferred      bigint := count_deferred(p_routes, p_now, 'infinity', v_deferred_most);
BEGIN
    due := CASE WHEN v_ready >= v_ready_most THEN greatest(v_ready, p_ready::bigint) ELSE v_ready END
           + CASE WHEN v_ripe >= v_ripe_most THEN greatest(v_ripe, p_ripe::bigint) ELSE v_ripe END;
    deferred := CASE WHEN v_deferred >= v_deferred_most THEN greatest(v_deferred, p_deferred::bigint) ELSE v_deferred END;
    cut := coalesce(v_ready >= v_ready_most OR v_ripe >= v_ripe_most OR v_deferred >= v_deferred_most, false);
    counted := v_ready + v_ripe + v_deferred;
END $$;

-- Up to p_most ready jobs of some routes, the last in line first: at the head there may be the dead entries of many settled ones.
CREATE OR REPLACE FUNCTION count_ready(p_routes bigint[], p_most bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*)
              FROM (SELECT FROM unnest(p_routes) f(route_id)
                     CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred
                                          ORDER BY j.seq DESC LIMIT p_most) c LIMIT p_most) w);
END $$;

-- Up to p_most jobs of some routes whose time comes after p_after and not after p_until.
CREATE OR REPLACE FUNCTION count_deferred(p_routes bigint[], p_after timestamptz, p_until timestamptz, p_most bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*)
              FROM (SELECT FROM unnest(p_routes) f(route_id)
                     CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND j.deferred
                                            AND j.run_at > p_after AND j.run_at <= p_until
                                          ORDER BY j.run_at DESC LIMIT p_most) c LIMIT p_most) w);
END $$;

-- Since when the job at the head of the line has been due; NULL when none is. A retry was not due before its pause was over.
CREATE OR REPLACE FUNCTION head_of_line(p_routes bigint[], p_now timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT min(h.due_at)
              FROM unnest(p_routes) f(route_id)
             CROSS JOIN LATERAL (
                 (SELECT greatest(j.created_at, j.run_at) AS due_at FROM jobs j
                   WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND NOT j.deferred ORDER BY j.seq LIMIT 1)
                 UNION ALL
                 (SELECT j.run_at FROM jobs j
                   WHERE j.route_id = f.route_id AND j.status = 'PENDING' AND j.deferred AND j.run_at <= p_now ORDER BY j.run_at LIMIT 1)) h);
END $$;

-- Jobs under a lease by their routes, from up to p_most of them; `cut` says that there are more.
CREATE OR REPLACE FUNCTION count_held(p_most bigint) RETURNS TABLE (route_id bigint, claimed bigint, running bigint, cut boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT h.route_id, count(*) FILTER (WHERE h.status = 'CLAIMED'), count(*) FILTER (WHERE h.status = 'RUNNING'),
           coalesce(sum(count(*)) OVER () >= p_most, false)
      FROM (SELECT j.route_id, j.status FROM jobs j WHERE j.status IN ('CLAIMED', 'RUNNING') LIMIT p_most) h
     GROUP BY h.route_id;
END $$;
