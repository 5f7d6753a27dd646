-- The dead letters that match a filter in groups that failed alike, the biggest first. A group is of one queue, one workflow, one
-- reason and one shape of the error: its first line, in which numbers (`<n>`), ids (`<id>`), times (`<time>`), paths and URLs
-- (`<path>`) are folded.
--
-- Arguments:
--   p_filter: as for `find_jobs`.
--   p_limit: groups at most, 1 to 1000.
-- Returns: a row for each group: what its letters have in common, how many they are, when the first and the last of them died, the one
--   that died last, and to whom some of them are assigned. At last a note, in which `queue_name` is NULL: `examined` says how many
--   letters were looked at, of those that the login may see and the newest 100,000 at most (of one tenant or queue if the filter
--   names it), and `complete` that there are neither more letters nor more groups. Of letters from before there were shapes 2000 are
--   folded in a call; the others have the shape `<not folded yet>` until the upkeep comes to them.
-- Errors: CR004 for a filter that cannot be right: the message names the key. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing.
CREATE OR REPLACE FUNCTION group_dead_letters(p_filter jsonb DEFAULT '{}', p_limit integer DEFAULT 100)
RETURNS TABLE (
    queue_name text, workflow text, reason text, shape text, count bigint, first_at timestamptz, last_at timestamptz, example_id uuid,
    assigned_to text[], complete boolean, examined integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_scope  record := caller_scope();
    v_filter job_filter := narrow_filter(read_filter(p_filter), v_scope.tenant, v_scope.queues);
BEGIN
    IF NOT 'dead_letter_queue' = ANY (filter_places(v_filter)) THEN
        complete := true;
        examined := 0;
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'WITH walked AS ('
        '    SELECT x.*, row_number() OVER w AS number, count(*) FILTER (WHERE x.error_shape IS NULL) OVER (w ROWS UNBOUNDED PRECEDING) AS unfolded '
        '      FROM (SELECT x.* FROM %1$s x ORDER BY %2$s LIMIT 100001) x WINDOW w AS (ORDER BY %2$s)'
        '), looked AS MATERIALIZED ('
        '    SELECT x.id, x.queue_name, x.workflow, x.reason, x.error_shape AS shape, x.finished_at, x.assigned_to, x.number, '
        '           x.number <= 100000 AND coalesce(%3$s, false) AS fits, x.number <= 100000 AND in_scope($2, $3, x.tenant_id, x.queue_name) AS seen '
        '      FROM (SELECT x.id, x.queue_name, x.tenant_id, x.workflow, x.reason, x.created_at, x.finished_at, x.claimed_by, x.tags, x.metadata, '
        '                   x.assigned_to, x.error, x.number, '
        '                   coalesce(x.error_shape, CASE WHEN x.unfolded <= 2000 THEN error_shape(x.error) ELSE ''<not folded yet>'' END) AS error_shape '
        '              FROM walked x OFFSET 0) x'
        '), groups AS MATERIALIZED ('
        '    SELECT l.queue_name, l.workflow, l.reason, l.shape, count(*) AS count, min(l.finished_at) AS first_at, max(l.finished_at) AS last_at, min(l.number) AS latest '
        '      FROM looked l WHERE l.fits GROUP BY l.queue_name, l.workflow, l.reason, l.shape'
        '), people AS MATERIALIZED ('
        '    SELECT l.queue_name, l.workflow, l.reason, l.shape, array_agg(DISTINCT l.assigned_to) AS names '
        '      FROM looked l WHERE l.fits AND l.assigned_to IS NOT NULL GROUP BY l.queue_name, l.workflow, l.reason, l.shape'
        ') '
        '(SELECT g.queue_name, g.workflow, g.reason, g.shape, g.count, g.first_at, g.last_at, l.id, coalesce(p.names, ''{}''), NULL::boolean, NULL::integer '
        '   FROM groups g LEFT JOIN people p USING (queue_name, workflow, reason, shape) JOIN looked l ON l.number = g.latest '
        '  ORDER BY g.count DESC, g.latest LIMIT $4) '
        'UNION ALL '
        'SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, l.looked <= 100000 AND (SELECT count(*) FROM groups) <= $4, l.own '
        '  FROM (SELECT count(*) AS looked, (count(*) FILTER (WHERE k.seen))::integer AS own FROM looked k) l',
        dead_letter_rows(v_filter, false), dead_letter_order(v_filter), filter_conditions('dead_letter_queue', v_filter))
    USING v_filter, v_scope.tenant, v_scope.queues, least(greatest(coalesce(p_limit, 100), 1), 1000);
END $$;
