-- Lets a page of the jobs that match a filter be tried again now: dead letters are redriven, and jobs that wait for a further attempt
-- become due.
--
-- Arguments:
--   p_filter: as for `find_jobs`; it must name something.
--   p_limit: jobs of a page at most, 1 to 1000.
--   p_after: `resume_after` of the page before; NULL is the first page.
--   p_dry_run: whether only to say what would be done, without locking or changing anything.
--   p_request: an id of the caller's own for this page, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: the id of each job that it was done to, and at last a note, in which `id` is NULL: `resume_after` says where the next page
--   begins, NULL at the end, and `examined` how many rows were looked at. A page may hold fewer jobs than asked for, even none, and
--   not be the last.
-- Errors: CR004 for a filter that cannot be right or names nothing. CR005 for a login that is not registered.
-- Guarantees: a page that is sent again with its p_request does nothing more, answers with the ids of the first time and leads on below
--   them. Of two callers at once, one retries each job. They go to the end of the order. Rows are locked in the order of their ids,
--   those of waiting jobs first, a transaction that is changing one of them is waited for, and the filter must hold for what it left.
CREATE OR REPLACE FUNCTION retry_jobs(
    p_filter jsonb, p_limit integer DEFAULT 1000, p_after uuid DEFAULT NULL, p_dry_run boolean DEFAULT false, p_request uuid DEFAULT NULL)
RETURNS TABLE (id uuid, resume_after uuid, examined integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_page  record;
BEGIN
    SELECT * INTO v_page FROM take_page(p_filter, p_limit, p_after, p_dry_run, p_request, 'x.status = ''PENDING'' AND x.deferred AND x.attempt > 0', 'true');
    IF v_page.act THEN
        PERFORM make_due(v_page.jobs, clock(), p_request);
        v_page.dead := redrive_all(v_page.dead, clock(), p_request);
        PERFORM announce_ready(v_page.jobs || v_page.dead);
    END IF;
    RETURN QUERY SELECT * FROM page_of_ids(v_page.jobs || v_page.dead, v_page.resume_after, v_page.examined);
END $$;

-- Lets jobs that wait for a further attempt be ready at once, in the order in which they would have been due. The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION make_due(p_ids uuid[], p_now timestamptz, p_request uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH placed AS MATERIALIZED ( -- see promote_jobs
        SELECT o.id, next_place() AS place FROM (SELECT w.id FROM jobs w WHERE w.id = ANY (p_ids) ORDER BY w.run_at, w.seq) o
    )
    UPDATE jobs j SET deferred = false, run_at = p_now, seq = p.place FROM placed p WHERE j.id = p.id;
    PERFORM remember_action(j.id, j.tenant_id, j.queue_name, p_now, 'retried', NULL, NULL, p_request) FROM jobs j WHERE j.id = ANY (p_ids);
    IF EXISTS (SELECT FROM subscriptions) THEN
        PERFORM emit_jobs('retried', 'PENDING', p_now, p_ids);
    END IF;
END $$;
