-- A page of the jobs that match a filter, wherever they live, newest first: in the order of their ids, which carry the time of the
-- producer that made them.
--
-- Arguments:
--   p_filter: a JSON object; everything must hold that it says, and `{}` means all jobs. Keys: `ids` (a list of up to 10,000),
--     `queue_name`, `status` (one or a list), `workflow`, `tenant_id`, `tags` (a list: jobs that have all of them), `metadata` (an
--     object of 10,240 bytes and 100 values at most: jobs whose metadata contain it), `robot` (that holds the job, or held it last), `reference` (that the job has; a
--     cancelled one has given it back), `since` and `until` (times with zones: created at or after the one, before the other), `error`
--     (a text within the error, A to Z in capitals or not), and for dead letters alone `reason`, `shape` (see `group_dead_letters`) and
--     `assigned_to` (the empty text means nobody).
--   p_limit: jobs at most, 1 to 1000.
--   p_after: `resume_after` of the page before; NULL is the first page.
--   p_budget: rows of each table that are looked at, at most; 1 to 20,000. Many ids are looked up a thousand at a time.
-- Returns: a row for each job, and at last a note, in which `id` is NULL: `resume_after` says where the next page begins, NULL at the
--   end, and `examined` how many rows were looked at, of those that the login may see. A page may hold fewer jobs than asked for, even
--   none, and not be the last. It ends when its payloads and results come to 16 MiB.
-- Errors: CR004 for a filter that cannot be right: the message names the key. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing. A page sees waiting jobs, dead letters and history in one snapshot. Going from page to page
--   meets every job once that matches all along.
CREATE OR REPLACE FUNCTION find_jobs(p_filter jsonb DEFAULT '{}', p_limit integer DEFAULT 100, p_after uuid DEFAULT NULL, p_budget integer DEFAULT 20000)
RETURNS SETOF found_job
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_scope record;
    v_page  record;
    v_job   found_job;
    v_last  uuid;
    v_bytes bigint := 0;
    v_note  found_job;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    SELECT array_agg(m.id) FILTER (WHERE m.place = 'jobs') AS jobs, array_agg(m.id) FILTER (WHERE m.place = 'dead_letter_queue') AS dead,
           array_agg(m.id) FILTER (WHERE m.place = 'job_history') AS past, min(m.finished_at) AS since, max(m.finished_at) AS until,
           (array_agg(m.resume_after) FILTER (WHERE m.id IS NULL))[1] AS resume_after, max(m.examined) AS examined INTO v_page
      FROM match_jobs(read_filter(p_filter), v_scope.tenant, v_scope.queues, least(p_limit, 1000), p_after, p_budget, 'true', 'true', 'true') m;
    v_note.resume_after := v_page.resume_after;
    FOR v_job IN
    SELECT a.*, NULL::text AS error_shape, NULL::text AS assigned_to, NULL::uuid AS resume_after, NULL::integer AS examined
      FROM all_jobs a WHERE a.id = ANY (v_page.jobs) AND a.finished_at IS NULL
    UNION ALL
    SELECT f.* FROM dead_letters_by_ids(v_page.dead) f
    UNION ALL
    SELECT a.*, NULL, NULL, NULL, NULL
      FROM all_jobs a WHERE a.id = ANY (v_page.past) AND a.reason IS NULL AND a.finished_at BETWEEN v_page.since AND v_page.until
       AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
     ORDER BY id DESC
    LOOP
        IF v_bytes > 16777216 THEN
            v_note.resume_after := v_last;
            EXIT;
        END IF;
        v_bytes := v_bytes + documents_size(v_job.payload, v_job.result);
        v_last := v_job.id;
        RETURN NEXT v_job;
    END LOOP;
    v_note.examined := v_page.examined;
    RETURN NEXT v_note;
END $$;

-- The bytes of a job's documents as they are sent.
CREATE OR REPLACE FUNCTION documents_size(p_payload jsonb, p_result jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT octet_length(p_payload::text)::bigint + coalesce(octet_length(p_result::text), 0) $$;

-- Dead letters as they are found.
CREATE OR REPLACE FUNCTION dead_letters_by_ids(p_ids uuid[]) RETURNS SETOF found_job
LANGUAGE sql STABLE AS $$
    SELECT a.*, coalesce(d.error_shape, error_shape(d.error)), d.assigned_to, NULL::uuid, NULL::integer
      FROM dead_letter_queue d JOIN all_jobs a ON a.id = d.id AND a.reason IS NOT NULL WHERE d.id = ANY (p_ids)
$$;
