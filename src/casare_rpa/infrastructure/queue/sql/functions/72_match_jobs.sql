-- A page of the jobs that match, from wherever they live, newest id first, and then a note: a row without an id that says after which id
-- the next page goes on (NULL at the end) and how many rows were looked at, of those that the caller may see.
--
-- Of each place p_budget rows are looked at, at most. Where that was not enough, what lies below its last row is not known yet: what other
-- places have there waits for the next page. The arguments p_jobs, p_dead and p_past are further conditions on rows `x` of the three
-- places; NULL leaves a place out. Many ids are looked up a thousand at a time.
CREATE OR REPLACE FUNCTION match_jobs(
    p_filter job_filter, p_tenant text, p_queues text[], p_limit integer, p_after uuid, p_budget integer, p_jobs text, p_dead text, p_past text)
RETURNS TABLE (place text, id uuid, finished_at timestamptz, resume_after uuid, examined integer)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    v_limit  integer := least(greatest(coalesce(p_limit, 100), 1), 20000);
    v_budget integer := least(greatest(coalesce(p_budget, 20000), 1), 20000);
    v_places text[] := filter_places(p_filter);
    v_bound  uuid;
BEGIN
    p_filter := narrow_filter(p_filter, p_tenant, p_queues);
    IF p_filter.shape IS NOT NULL AND EXISTS (SELECT FROM dead_letter_queue d WHERE d.error_shape IS NULL) THEN
        v_budget := least(v_budget, 2000); -- it is folded on the way
    END IF;
    SELECT * INTO p_filter.ids, v_bound FROM next_ids(p_filter.ids, p_after, least(v_budget, 1000));
    RETURN QUERY
    WITH looked AS MATERIALIZED (
        SELECT p.place, l.*
          FROM (VALUES ('jobs', p_jobs), ('dead_letter_queue', p_dead), ('job_history', p_past)) p(place, also)
         CROSS JOIN LATERAL look_at(p.place, p_filter, p_tenant, p_queues, p.also, v_limit, p_after, v_budget) l
         WHERE p.place = ANY (v_places) AND p.also IS NOT NULL
    ), ends AS MATERIALIZED (
        SELECT (SELECT coalesce(sum(p.own), 0)::integer FROM (SELECT max(k.own) AS own FROM looked k GROUP BY k.place) p) AS own,
               greatest(v_bound, CASE WHEN p_queues IS NULL OR p_filter.ids IS NOT NULL THEN c.id ELSE nobodys_id(c.id) END) AS bound
          FROM (SELECT (SELECT k.id FROM looked k WHERE k.looked = v_budget ORDER BY k.id DESC LIMIT 1) AS id) c
    ), fitting AS MATERIALIZED (
        SELECT k.place, k.id, k.finished_at, row_number() OVER (ORDER BY k.id DESC) AS number
          FROM looked k CROSS JOIN ends e WHERE k.fits AND (e.bound IS NULL OR k.id >= e.bound)
    )
    SELECT f.place, f.id, f.finished_at, NULL::uuid, NULL::integer FROM fitting f WHERE f.number <= v_limit
    UNION ALL
    SELECT NULL, NULL, NULL,
           coalesce((SELECT f.id FROM fitting f WHERE f.number = v_limit AND EXISTS (SELECT FROM fitting m WHERE m.number > v_limit)), e.bound), e.own
      FROM ends e;
END $$;

-- The next p_most of some ids below p_after, and the last of them if there are more.
CREATE OR REPLACE FUNCTION next_ids(p_ids uuid[], p_after uuid, p_most integer, OUT ids uuid[], OUT bound uuid)
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_ids IS NOT NULL THEN
        ids := ARRAY(SELECT i FROM unnest(p_ids) i WHERE p_after IS NULL OR i < p_after ORDER BY i DESC LIMIT p_most + 1);
        IF cardinality(ids) > p_most THEN
            bound := ids[p_most];
            ids := ids[1:p_most];
        END IF;
    END IF;
END $$;
