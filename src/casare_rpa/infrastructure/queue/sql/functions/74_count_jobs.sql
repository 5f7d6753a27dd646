-- How many jobs match a filter, a page at a time.
--
-- Arguments:
--   p_filter: as for `find_jobs`.
--   p_after: `resume_after` of the page before; NULL is the first page.
--   p_budget: rows of each table that are looked at, at most; 1 to 20,000.
-- Returns: how many jobs of this page match, where the next page begins (NULL at the end), and how many rows were looked at.
-- Errors: as of `find_jobs`.
-- Guarantees: changes and locks nothing. A page sees all tables in one snapshot.
CREATE OR REPLACE FUNCTION count_jobs(
    p_filter jsonb DEFAULT '{}', p_after uuid DEFAULT NULL, p_budget integer DEFAULT 20000,
    OUT count bigint, OUT resume_after uuid, OUT examined integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_budget integer := least(greatest(coalesce(p_budget, 20000), 1), 20000);
    v_scope  record := caller_scope();
    v_filter job_filter := narrow_filter(read_filter(p_filter), v_scope.tenant, v_scope.queues);
    v_place  text;
    v_last   uuid;
    v_part   record;
BEGIN
    SELECT * INTO v_filter.ids, resume_after FROM next_ids(v_filter.ids, p_after, least(v_budget, 1000));
    FOREACH v_place IN ARRAY filter_places(v_filter) LOOP
        EXECUTE format('SELECT x.id FROM %s x ORDER BY %s OFFSET $5 - 1 LIMIT 1',
                       place_rows(v_place, v_filter, p_after IS NOT NULL), walk_order(v_place, v_filter))
        INTO v_last USING v_filter, v_scope.tenant, v_scope.queues, p_after, v_budget;
        resume_after := greatest(resume_after, CASE WHEN v_scope.queues IS NULL OR v_filter.ids IS NOT NULL THEN v_last ELSE nobodys_id(v_last) END);
    END LOOP;
    count := 0;
    examined := 0;
    FOREACH v_place IN ARRAY filter_places(v_filter) LOOP
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE x.fits) AS fits, count(*) FILTER (WHERE x.seen) AS looked '
            '  FROM (SELECT x.id, in_scope($2, $3, x.tenant_id, x.queue_name) AS seen, %s AS fits FROM %s x ORDER BY %s LIMIT $6) x '
            ' WHERE $5 IS NULL OR x.id >= $5',
            filter_conditions(v_place, v_filter), place_rows(v_place, v_filter, p_after IS NOT NULL), walk_order(v_place, v_filter))
        INTO v_part USING v_filter, v_scope.tenant, v_scope.queues, p_after, resume_after, v_budget;
        count := count + v_part.fits;
        examined := examined + v_part.looked;
    END LOOP;
END $$;
