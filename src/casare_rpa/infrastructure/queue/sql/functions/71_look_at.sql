-- Where jobs live and a filter can match: `jobs`, `dead_letter_queue`, `job_history`.
CREATE OR REPLACE FUNCTION filter_places(p_filter job_filter) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_filter.reason IS NULL AND p_filter.shape IS NULL AND p_filter.assigned_to IS NULL THEN '{}'::text[]
                     || CASE WHEN coalesce(p_filter.statuses && '{PENDING,CLAIMED,RUNNING}', true) THEN '{jobs}'::text[] ELSE '{}' END
                     || CASE WHEN coalesce(p_filter.statuses && '{COMPLETED,FAILED,CANCELLED}', true) THEN '{job_history}'::text[] ELSE '{}' END
                ELSE '{}' END
        || CASE WHEN coalesce('FAILED' = ANY (p_filter.statuses), true) THEN '{dead_letter_queue}'::text[] ELSE '{}' END
$$;

-- What a filter asks of a row `x` of a place, as SQL in which $1 is the filter and $2 and $3 are the tenant and the queues of the
-- caller. Only what is asked for is in it, so that nothing else is looked at in each row. Ids, and so a reference, are asked by place_rows.
CREATE OR REPLACE FUNCTION filter_conditions(p_place text, p_filter job_filter) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' AND ', 'in_scope($2, $3, x.tenant_id, x.queue_name)',
        CASE WHEN p_filter.queue_name IS NOT NULL THEN 'x.queue_name = ($1).queue_name' END,
        CASE WHEN p_filter.workflow IS NOT NULL THEN 'x.workflow = ($1).workflow' END,
        CASE WHEN p_filter.tenant_id IS NOT NULL THEN 'x.tenant_id = ($1).tenant_id' END,
        CASE WHEN p_filter.statuses IS NOT NULL AND p_place <> 'dead_letter_queue' THEN 'x.status = ANY (($1).statuses)' END,
        CASE WHEN p_filter.robot IS NOT NULL THEN 'x.claimed_by = ($1).robot' END,
        CASE WHEN p_filter.since IS NOT NULL THEN 'x.created_at >= ($1).since' END,
        CASE WHEN p_filter.until IS NOT NULL THEN 'x.created_at < ($1).until' END,
        CASE WHEN p_filter.tags IS NOT NULL THEN 'x.tags @> ($1).tags' END,
        CASE WHEN p_filter.metadata IS NOT NULL THEN 'x.metadata @> ($1).metadata' END,
        CASE WHEN p_filter.reason IS NOT NULL THEN 'x.reason = ($1).reason' END,
        CASE WHEN p_filter.shape IS NOT NULL THEN 'coalesce(x.error_shape, error_shape(x.error)) = ($1).shape' END,
        CASE WHEN p_filter.assigned_to IS NOT NULL THEN 'coalesce(x.assigned_to, '''') = ($1).assigned_to' END,
        CASE WHEN p_filter.error IS NOT NULL THEN 'strpos(lower(x.error), lower(($1).error)) > 0' END)
$$;

-- The rows `x` of a place that a search goes through, as SQL: all of them, those of an index where there is one (ids, and what robots
-- hold), and those below the id $4 if it goes on. What else is asked is no condition here: it would let a search pass over rows that
-- nobody counts. Weeks of history that ended before what is searched for was created are left out whole.
CREATE OR REPLACE FUNCTION place_rows(p_place text, p_filter job_filter, p_goes_on boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('(SELECT * FROM %I x WHERE %s %s)', p_place, concat_ws(' AND ', 'true',
            CASE WHEN p_goes_on THEN 'x.id < $4' END,
            CASE WHEN p_filter.ids IS NOT NULL THEN 'x.id = ANY (($1).ids)' END,
            CASE WHEN h.held THEN 'x.status IN (''CLAIMED'', ''RUNNING'')' END,
            CASE WHEN p_place = 'job_history' AND p_filter.since IS NOT NULL
                 THEN 'x.finished_at >= date_trunc(''week'', ($1).since AT TIME ZONE ''UTC'') AT TIME ZONE ''UTC''' END),
        CASE WHEN h.held OR p_filter.ids IS NOT NULL THEN 'OFFSET 0' END)
      FROM (SELECT p_place = 'jobs' AND coalesce(p_filter.robot IS NOT NULL OR p_filter.statuses <@ '{CLAIMED,RUNNING}', false) AS held) h
$$;

-- Looks at up to p_budget rows of a place, from the newest id below p_after down, until p_limit + 1 of them fit. Returns those that do,
-- numbered by how many rows had been looked at by then, and the last row that was looked at, whether it fits or not. p_also is a
-- further condition on a row `x`.
CREATE OR REPLACE FUNCTION look_at(
    p_place text, p_filter job_filter, p_tenant text, p_queues text[], p_also text, p_limit integer, p_after uuid, p_budget integer)
RETURNS TABLE (id uuid, finished_at timestamptz, fits boolean, looked integer)
LANGUAGE plpgsql STABLE SET jit = off SET enable_sort = off AS $$ -- a sort would read all of a place before the first row
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT l.id, l.finished_at, l.fits, l.looked::integer '
        '  FROM (SELECT y.*, row_number() OVER w AS looked, lead(y.id) OVER w IS NULL AS last '
        '          FROM (SELECT x.id, %s AS finished_at, coalesce(%s, false) AS fits FROM %s x ORDER BY x.id DESC LIMIT $5) y '
        '        WINDOW w AS (ORDER BY y.id DESC)) l '
        ' WHERE l.fits OR l.last ORDER BY l.id DESC LIMIT $6 + 1',
        CASE WHEN p_place = 'jobs' THEN 'NULL::timestamptz' ELSE 'x.finished_at' END,
        concat_ws(' AND ', filter_conditions(p_place, p_filter), p_also), place_rows(p_place, p_filter, p_after IS NOT NULL))
    USING p_filter, p_tenant, p_queues, p_after, p_budget, p_limit;
END $$;
