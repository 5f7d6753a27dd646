-- Closes a page of the dead letters that match a filter: they move to the history as FAILED, and are kept there as long as what ended
-- at this moment. Their attempts and their references stay as long; what they died of is in their last action.
--
-- Arguments:
--   p_filter: as for `find_jobs`; it must name something.
--   p_comment: how it was resolved, 1 to 10,000 characters.
--   p_limit: jobs of a page at most, 1 to 1000.
--   p_after: `resume_after` of the page before; NULL is the first page.
--   p_dry_run: whether only to say what would be done, without locking or changing anything.
--   p_request: an id of the caller's own for this page, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: the id of each job that it was done to, and at last a note, in which `id` is NULL: `resume_after` says where the next page
--   begins, NULL at the end, and `examined` how many rows were looked at. A page may hold fewer jobs than asked for, even none, and
--   not be the last.
-- Errors: CR004 for a filter that cannot be right or names nothing, or a comment that is empty or too long. CR005 for a login that is not
--   registered.
-- Guarantees: a page that is sent again with its p_request does nothing more, answers with the ids of the first time and leads on below
--   them. Of two callers at once, one resolves each letter. Rows are locked in the order of their ids, a transaction that is changing
--   one of them is waited for, and the filter must hold for what it left.
CREATE OR REPLACE FUNCTION resolve_dead_letters(
    p_filter jsonb, p_comment text, p_limit integer DEFAULT 1000, p_after uuid DEFAULT NULL, p_dry_run boolean DEFAULT false, p_request uuid DEFAULT NULL)
RETURNS TABLE (id uuid, resume_after uuid, examined integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_page  record;
BEGIN
    PERFORM check_comment(NULL, coalesce(p_comment, ''));
    SELECT * INTO v_page FROM take_page(p_filter, p_limit, p_after, p_dry_run, p_request, NULL, 'true');
    IF v_page.act THEN
        PERFORM close_dead_letters(v_page.dead, p_comment, clock(), p_request);
    END IF;
    RETURN QUERY SELECT * FROM page_of_ids(v_page.jobs || v_page.dead, v_page.resume_after, v_page.examined);
END $$;

-- Moves dead letters to the history. The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION close_dead_letters(p_ids uuid[], p_comment text, p_now timestamptz, p_request uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM subscriptions) THEN
        PERFORM emit('resolved', 'FAILED', p_now, array_agg(d.id), array_agg(d.queue_name), array_agg(d.tenant_id), array_agg(d.attempt), array_agg(d.claimed_by))
           FROM dead_letter_queue d WHERE d.id = ANY (p_ids) HAVING count(*) > 0;
    END IF;
    WITH closed AS (
        DELETE FROM dead_letter_queue d WHERE d.id = ANY (p_ids) RETURNING d.*
    ), kept AS (
        INSERT INTO job_history (id, seq, created_at, run_at, claimed_at, started_at, finished_at, retry_delay, visibility_timeout, time_limit, status,
                                 max_retries, attempt, crashes, priority, queue_name, workflow, on_crash, tenant_id, reference, claimed_by, tags,
                                 metadata, requirements, error, payload)
        SELECT c.id, c.seq, c.created_at, c.run_at, c.claimed_at, c.started_at, p_now, c.retry_delay, c.visibility_timeout, c.time_limit, 'FAILED',
               c.max_retries, c.attempt, c.crashes, c.priority, c.queue_name, c.workflow, c.on_crash, c.tenant_id, c.reference, c.claimed_by, c.tags,
               c.metadata, c.requirements, c.error, c.payload
          FROM closed c
    )
    INSERT INTO job_actions (job_id, tenant_id, queue_name, at, actor, action, comment, detail, request)
    SELECT c.id, c.tenant_id, c.queue_name, p_now, session_user, 'resolved', p_comment,
           jsonb_build_object('reason', c.reason, 'died_at', c.finished_at, 'assigned_to', c.assigned_to), p_request
      FROM closed c;
END $$;
