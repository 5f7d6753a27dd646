-- A page of the dead letters that match a filter, the latest death first.
--
-- Arguments:
--   p_filter: as for `find_jobs`.
--   p_limit: letters at most, 1 to 1000.
--   p_after_time: `finished_at` of the note of the page before; NULL is the first page.
--   p_after_id: its `resume_after`.
-- Returns: a row for each letter, and at last a note, in which `id` is NULL: `finished_at` and `resume_after` say where the next page
--   begins, NULL at the end, and `examined` how many letters were looked at: 20,000 at most, those of one queue if the filter names
--   it. A page may hold fewer letters than asked for, even none, and not be the last.
-- Errors: CR004 for a filter that cannot be right: the message names the key. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing. Going from page to page meets every letter once that matches all along.
CREATE OR REPLACE FUNCTION find_dead_letters(
    p_filter jsonb DEFAULT '{}', p_limit integer DEFAULT 100, p_after_time timestamptz DEFAULT NULL, p_after_id uuid DEFAULT NULL)
RETURNS SETOF found_job
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off AS $$ -- a sort would read all letters of a queue before the first one
DECLARE
    v_budget constant integer := 20000;
    v_limit  integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
    v_filter job_filter := read_filter(p_filter);
    v_scope  record;
    v_page   record;
    v_note   found_job;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    v_note.examined := 0;
    IF 'dead_letter_queue' = ANY (filter_places(v_filter)) THEN
        EXECUTE format(
            'SELECT array_agg(p.id) FILTER (WHERE p.fits AND p.number <= $8) AS ids, coalesce(max(p.looked), 0)::integer AS looked, '
            '       coalesce(max(p.number) FILTER (WHERE p.fits), 0) > $8 AS more, '
            '       max(p.finished_at) FILTER (WHERE p.fits AND p.number = $8) AS page_time, (array_agg(p.id) FILTER (WHERE p.fits AND p.number = $8))[1] AS page_id, '
            '       max(p.finished_at) FILTER (WHERE p.looked = $7) AS cut_time, (array_agg(p.id) FILTER (WHERE p.looked = $7))[1] AS cut_id '
            '  FROM (SELECT l.*, count(*) FILTER (WHERE l.fits) OVER (ORDER BY l.looked) AS number FROM %s l) p',
            look_at_dead_letters(v_filter, p_after_id IS NOT NULL))
        INTO v_page USING v_filter, v_scope.tenant, v_scope.queues, p_after_time, p_after_id, v_limit + 1, v_budget, v_limit;
        RETURN QUERY SELECT f.* FROM (SELECT * FROM dead_letters_by_ids(v_page.ids) OFFSET 0) f ORDER BY f.finished_at DESC, f.id DESC;
        v_note.examined := v_page.looked;
        v_note.finished_at := CASE WHEN v_page.more THEN v_page.page_time ELSE v_page.cut_time END;
        v_note.resume_after := CASE WHEN v_page.more THEN v_page.page_id ELSE v_page.cut_id END;
    END IF;
    RETURN NEXT v_note;
END $$;

-- The query that looks at dead letters, the latest first, up to $7 of them and until $6 fit: `fits`, and how many were `looked` at by then.
-- $1 to $3 are as in filter_conditions, $4 and $5 the time and the id after which it begins.
CREATE OR REPLACE FUNCTION look_at_dead_letters(p_filter job_filter, p_goes_on boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format(
        '(SELECT * FROM (SELECT y.*, row_number() OVER w AS looked, lead(y.id) OVER w IS NULL AS last '
        '   FROM (SELECT x.id, x.finished_at, coalesce(%s, false) AS fits FROM (SELECT * FROM dead_letter_queue x WHERE %s %s) x '
        '          ORDER BY x.finished_at DESC, x.id DESC LIMIT $7) y WINDOW w AS (ORDER BY y.finished_at DESC, y.id DESC)) z '
        ' WHERE z.fits OR z.last ORDER BY z.finished_at DESC, z.id DESC LIMIT $6)',
        filter_conditions('dead_letter_queue', p_filter),
        concat_ws(' AND ', 'true', CASE WHEN p_goes_on THEN '(x.finished_at, x.id) < ($4, $5)' END,
                  CASE WHEN p_filter.queue_name IS NOT NULL THEN 'x.queue_name = ($1).queue_name' END, -- which has an index
                  CASE WHEN p_filter.ids IS NOT NULL THEN 'x.id = ANY (($1).ids)' END),
        CASE WHEN p_filter.ids IS NOT NULL THEN 'OFFSET 0' END)
$$;
