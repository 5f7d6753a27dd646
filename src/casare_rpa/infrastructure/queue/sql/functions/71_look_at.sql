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
        CASE WHEN p_filter.error IS NOT NULL THEN 'strpos(lower(x.error COLLATE "C"), lower(($1).error COLLATE "C")) > 0' END)
$$;

-- How a search goes through a place: by `ids`, by what robots hold (`held`), by the rows of one `tenant`, or over `all` rows.
CREATE OR REPLACE FUNCTION way_through(p_place text, p_filter job_filter) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_filter.ids IS NOT NULL THEN 'ids'
                WHEN p_place = 'jobs' AND (p_filter.robot IS NOT NULL OR p_filter.statuses <@ '{CLAIMED,RUNNING}') THEN 'held'
                WHEN p_filter.tenant_id IS NOT NULL THEN 'tenant'
                ELSE 'all' END
$$;

-- The rows `x` of a place that a search goes through, as SQL: those of an index where there is one, and those below the id $4 if it goes
-- on. What else is asked is no condition here: it would let a search pass over rows that nobody counts. Ids and what is held are few,
-- and there what the caller may not see is left out at once. Weeks of history that ended before what is searched for was created are
-- left out whole. A tenant is asked for by a range, which leaves the planner one index alone to have the order of walk_order from.
CREATE OR REPLACE FUNCTION place_rows(p_place text, p_filter job_filter, p_goes_on boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('(SELECT * FROM %I x WHERE %s %s)', p_place, concat_ws(' AND ', 'true',
            CASE WHEN w.way = 'tenant' THEN 'x.tenant_id >= ($1).tenant_id AND '
                      || CASE WHEN p_goes_on THEN '(x.tenant_id, x.id) < (($1).tenant_id, $4)' ELSE 'x.tenant_id <= ($1).tenant_id' END
                 WHEN p_goes_on THEN 'x.id < $4' END,
            CASE w.way WHEN 'ids' THEN 'x.id = ANY (($1).ids) AND in_scope($2, $3, x.tenant_id, x.queue_name)'
                       WHEN 'held' THEN 'x.status IN (''CLAIMED'', ''RUNNING'') AND in_scope($2, $3, x.tenant_id, x.queue_name)' END,
            CASE WHEN p_place = 'job_history' AND p_filter.since IS NOT NULL
                 THEN 'x.finished_at >= date_trunc(''week'', ($1).since AT TIME ZONE ''UTC'') AT TIME ZONE ''UTC''' END),
        CASE WHEN w.way IN ('ids', 'held') THEN 'OFFSET 0' END)
      FROM way_through(p_place, p_filter) w(way)
$$;

-- The order in which a search goes through the rows `x` of a place: the newest id first.
CREATE OR REPLACE FUNCTION walk_order(p_place text, p_filter job_filter) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE way_through(p_place, p_filter) WHEN 'tenant' THEN 'x.tenant_id DESC, x.id DESC' ELSE 'x.id DESC' END
$$;

-- Looks at up to p_budget rows of a place, from the newest id below p_after down, until p_limit + 1 of them fit. Returns those that do,
-- numbered by how many rows had been looked at by then (`looked`), with how many of these the caller may see (`own`), and the last row
-- that was looked at, whether it fits or not. p_also is a further condition on a row `x`.
CREATE OR REPLACE FUNCTION look_at(
    p_place text, p_filter job_filter, p_tenant text, p_queues text[], p_also text, p_limit integer, p_after uuid, p_budget integer)
RETURNS TABLE (id uuid, finished_at timestamptz, fits boolean, looked integer, own integer)
LANGUAGE plpgsql STABLE SET jit = off SET enable_sort = off AS $$ -- a sort would read all of a place before the first row
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT x.id, x.finished_at, x.fits, x.looked::integer, x.own::integer '
        '  FROM (SELECT x.*, row_number() OVER w AS looked, lead(x.id) OVER w IS NULL AS last, '
        '               count(*) FILTER (WHERE x.seen) OVER (w ROWS UNBOUNDED PRECEDING) AS own '
        '          FROM (SELECT x.id, x.tenant_id, %1$s AS finished_at, in_scope($2, $3, x.tenant_id, x.queue_name) AS seen, coalesce(%2$s, false) AS fits '
        '                  FROM %3$s x ORDER BY %4$s LIMIT $5) x '
        '        WINDOW w AS (ORDER BY %4$s)) x '
        ' WHERE x.fits OR x.last ORDER BY %4$s LIMIT $6 + 1',
        CASE WHEN p_place = 'jobs' THEN 'NULL::timestamptz' ELSE 'x.finished_at' END,
        concat_ws(' AND ', filter_conditions(p_place, p_filter), p_also), place_rows(p_place, p_filter, p_after IS NOT NULL),
        walk_order(p_place, p_filter))
    USING p_filter, p_tenant, p_queues, p_after, p_budget, p_limit;
END $$;

-- An id to go on after that comes to the same as p_id and is nobody's: a walk may end at a row that its caller must not know of. NULL
-- when nothing lies below.
CREATE OR REPLACE FUNCTION nobodys_id(p_id uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_below uuid;
BEGIN
    SELECT b.id INTO v_below
      FROM ((SELECT x.id FROM jobs x WHERE x.id < p_id ORDER BY x.id DESC LIMIT 1)
            UNION ALL (SELECT x.id FROM dead_letter_queue x WHERE x.id < p_id ORDER BY x.id DESC LIMIT 1)
            UNION ALL (SELECT x.id FROM job_history x WHERE x.id < p_id ORDER BY x.id DESC LIMIT 1)) b
     ORDER BY b.id DESC LIMIT 1;
    RETURN id_between(v_below, p_id);
END $$;

-- The beginning of p_id, as short as it can be and be above p_below, with zeros for the rest.
CREATE OR REPLACE FUNCTION id_between(p_below uuid, p_id uuid) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_id   bit(128) := ('x' || encode(uuid_send(p_id), 'hex'))::bit(128);
    v_same integer  := position(B'1' IN v_id # ('x' || encode(uuid_send(p_below), 'hex'))::bit(128));
BEGIN
    v_id := v_id & (~ B'0'::bit(128) << (128 - v_same));
    RETURN (SELECT string_agg(lpad(to_hex(substring(v_id FROM n * 32 + 1 FOR 32)::bit(32)::bigint), 8, '0'), '' ORDER BY n) FROM generate_series(0, 3) n)::uuid;
END $$;
