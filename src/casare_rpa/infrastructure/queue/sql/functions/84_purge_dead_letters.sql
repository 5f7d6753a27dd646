-- Removes a page of the dead letters that match a filter without a trace: references, attempts and actions go with them.
--
-- Arguments:
--   p_filter: as for `find_jobs`; it must name something.
--   p_limit: jobs of a page at most, 1 to 1000.
--   p_after: `resume_after` of the page before; NULL is the first page.
--   p_dry_run: whether only to say what would be done, without locking or changing anything.
-- Returns: the id of each job that it was done to, and at last a note, in which `id` is NULL: `resume_after` says where the next page
--   begins, NULL at the end, and `examined` how many rows were looked at. A page may hold fewer jobs than asked for, even none, and
--   not be the last.
-- Errors: CR004 for a filter that cannot be right or names nothing.
-- Guarantees: repeatable, but a page that is sent again cannot say what the first sending removed: no trace of it is left. It waits for
--   nobody: a letter that somebody is redriving, editing or resolving at this moment stays.
CREATE OR REPLACE FUNCTION purge_dead_letters(p_filter jsonb, p_limit integer DEFAULT 1000, p_after uuid DEFAULT NULL, p_dry_run boolean DEFAULT false)
RETURNS TABLE (id uuid, resume_after uuid, examined integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_page  record;
BEGIN
    SELECT * INTO v_page FROM take_page(p_filter, p_limit, p_after, p_dry_run, NULL, NULL, 'true', true);
    IF v_page.act THEN
        WITH purged AS (
            DELETE FROM dead_letter_queue d WHERE d.id = ANY (v_page.dead) RETURNING d.id, d.tenant_id, d.queue_name, d.reference
        ), forgotten AS (
            DELETE FROM job_attempts a USING purged p
             WHERE a.job_id = p.id AND a.queue_name = p.queue_name AND a.tenant_id IS NOT DISTINCT FROM p.tenant_id
        ), undone AS (
            DELETE FROM job_actions a USING purged p
             WHERE a.job_id = p.id AND a.queue_name = p.queue_name AND a.tenant_id IS NOT DISTINCT FROM p.tenant_id
        )
        DELETE FROM job_references r USING purged p
         WHERE p.reference IS NOT NULL AND r.tenant_id = coalesce(p.tenant_id, '') AND r.queue_name = p.queue_name AND r.reference = p.reference AND r.job_id = p.id;
    END IF;
    RETURN QUERY SELECT * FROM page_of_ids(v_page.jobs || v_page.dead, v_page.resume_after, v_page.examined);
END $$;
