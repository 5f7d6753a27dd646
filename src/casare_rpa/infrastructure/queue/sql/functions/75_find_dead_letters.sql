-- A page of the dead letters that match a filter, the latest death first.
--
-- Arguments:
--   p_filter: as for `find_jobs`.
--   p_limit: letters at most, 1 to 1000.
--   p_after_time: `finished_at` of the note of the page before; NULL is the first page.
--   p_after_id: its `resume_after`.
-- Returns: a row for each letter, and at last a note, in which `id` is NULL: `finished_at` and `resume_after` say where the next page
--   begins, NULL at the end, and `examined` how many letters were looked at, of those that the login may see: 20,000 at most, those of
--   one tenant or queue if the filter names it. A page may hold fewer letters than asked for, even none, and not be the last. It ends
--   when its payloads come to 16 MiB.
-- Errors: CR004 for a filter that cannot be right: the message names the key. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing. Going from page to page meets every letter once that matches all along.
CREATE OR REPLACE FUNCTION find_dead_letters(
    p_filter jsonb DEFAULT '{}', p_limit integer DEFAULT 100, p_after_time timestamptz DEFAULT NULL, p_after_id uuid DEFAULT NULL)
RETURNS SETOF found_job
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off AS $$ -- a sort would read all letters of a queue before the first one
DECLARE
    v_budget integer := 20000;
    v_limit  integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
    v_scope  record := caller_scope();
    v_filter job_filter := narrow_filter(read_filter(p_filter), v_scope.tenant, v_scope.queues);
    v_page   record;
    v_job    found_job;
    v_last   found_job;
    v_bytes  bigint := 0;
    v_note   found_job;
BEGIN
    v_note.examined := 0;
    IF 'dead_letter_queue' = ANY (filter_places(v_filter)) THEN
        IF v_filter.shape IS NOT NULL AND EXISTS (SELECT FROM dead_letter_queue d WHERE d.error_shape IS NULL) THEN
            v_budget := 2000; -- it is folded on the way
        END IF;
        EXECUTE format(
            'SELECT array_agg(p.id) FILTER (WHERE p.fits AND p.number <= $8) AS ids, coalesce(max(p.own), 0)::integer AS own, '
            '       coalesce(max(p.number) FILTER (WHERE p.fits), 0) > $8 AS more, '
            '       max(p.finished_at) FILTER (WHERE p.fits AND p.number = $8) AS page_time, (array_agg(p.id) FILTER (WHERE p.fits AND p.number = $8))[1] AS page_id, '
            '       max(p.finished_at) FILTER (WHERE p.looked = $7) AS cut_time, (array_agg(p.id) FILTER (WHERE p.looked = $7))[1] AS cut_id '
            '  FROM (SELECT l.*, count(*) FILTER (WHERE l.fits) OVER (ORDER BY l.looked) AS number FROM %s l) p',
            look_at_dead_letters(v_filter, p_after_id IS NOT NULL))
        INTO v_page USING v_filter, v_scope.tenant, v_scope.queues, p_after_time, p_after_id, v_limit + 1, v_budget, v_limit;
        v_note.examined := v_page.own;
        v_note.finished_at := CASE WHEN v_page.more THEN v_page.page_time ELSE v_page.cut_time END;
        v_note.resume_after := CASE WHEN v_page.more THEN v_page.page_id
                                    WHEN v_scope.queues IS NULL OR v_filter.ids IS NOT NULL THEN v_page.cut_id
                                    ELSE nobodys_letter(v_page.cut_time, v_page.cut_id) END;
        FOR v_job IN SELECT f.* FROM (SELECT * FROM dead_letters_by_ids(v_page.ids) OFFSET 0) f ORDER BY f.finished_at DESC, f.id DESC LOOP
            IF v_bytes > 16777216 THEN
                v_note.finished_at := v_last.finished_at;
                v_note.resume_after := v_last.id;
                EXIT;
            END IF;
            v_bytes := v_bytes + documents_size(v_job.payload, NULL);
            v_last := v_job;
            RETURN NEXT v_job;
        END LOOP;
    END IF;
    RETURN NEXT v_note;
END $$;

-- What nobodys_id is for a walk in the order of deaths.
CREATE OR REPLACE FUNCTION nobodys_letter(p_time timestamptz, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT coalesce(id_between((SELECT x.id FROM dead_letter_queue x WHERE x.finished_at = p_time AND x.id < p_id ORDER BY x.id DESC LIMIT 1), p_id),
                    CASE WHEN p_id IS NOT NULL THEN '00000000-0000-0000-0000-000000000000'::uuid END)
$$;

-- The dead letters that a search goes through, as place_rows has it: those with some ids, of one tenant, of one queue, or all.
CREATE OR REPLACE FUNCTION dead_letter_rows(p_filter job_filter, p_goes_on boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('(SELECT * FROM dead_letter_queue x WHERE %s %s)', concat_ws(' AND ', 'true',
            CASE WHEN way = 'tenant' THEN 'x.tenant_id >= ($1).tenant_id AND '
                      || CASE WHEN p_goes_on THEN '(x.tenant_id, x.finished_at, x.id) < (($1).tenant_id, $4, $5)' ELSE 'x.tenant_id <= ($1).tenant_id' END
                 WHEN p_goes_on THEN '(x.finished_at, x.id) < ($4, $5)' END,
            CASE WHEN way = 'ids' THEN 'x.id = ANY (($1).ids) AND in_scope($2, $3, x.tenant_id, x.queue_name)'
                 WHEN way = 'all' AND p_filter.queue_name IS NOT NULL THEN 'x.queue_name = ($1).queue_name' END), -- which has an index
        CASE WHEN way = 'ids' THEN 'OFFSET 0' END)
      FROM way_through('dead_letter_queue', p_filter) w(way)
$$;

-- The order of such a search: the latest death first.
CREATE OR REPLACE FUNCTION dead_letter_order(p_filter job_filter) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN way_through('dead_letter_queue', p_filter) = 'tenant' THEN 'x.tenant_id DESC, ' ELSE '' END || 'x.finished_at DESC, x.id DESC'
$$;

-- The query that looks at dead letters, the latest first, up to $7 of them and until $6 fit: `fits`, how many were `looked` at by then,
-- and how many of these the caller may see (`own`). $1 to $3 are as in filter_conditions, $4 and $5 the time and the id after which it
-- begins.
CREATE OR REPLACE FUNCTION look_at_dead_letters(p_filter job_filter, p_goes_on boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format(
        '(SELECT * FROM (SELECT x.*, row_number() OVER w AS looked, lead(x.id) OVER w IS NULL AS last, '
        '                       count(*) FILTER (WHERE x.seen) OVER (w ROWS UNBOUNDED PRECEDING) AS own '
        '   FROM (SELECT x.id, x.tenant_id, x.finished_at, in_scope($2, $3, x.tenant_id, x.queue_name) AS seen, coalesce(%1$s, false) AS fits '
        '           FROM %2$s x ORDER BY %3$s LIMIT $7) x WINDOW w AS (ORDER BY %3$s)) x '
        ' WHERE x.fits OR x.last ORDER BY %3$s LIMIT $6)',
        filter_conditions('dead_letter_queue', p_filter), dead_letter_rows(p_filter, p_goes_on), dead_letter_order(p_filter))
$$;
