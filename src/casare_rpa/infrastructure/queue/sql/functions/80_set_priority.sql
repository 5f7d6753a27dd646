-- Gives a page of the jobs that match a filter and are PENDING another priority. They keep their places in the order.
--
-- Arguments:
--   p_filter: as for `find_jobs`; it must name something.
--   p_priority: 0 to 20.
--   p_limit: jobs of a page at most, 1 to 1000.
--   p_after: `resume_after` of the page before; NULL is the first page.
--   p_dry_run: whether only to say what would be done, without locking or changing anything.
--   p_request: an id of the caller's own for this page, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: the id of each job that it was done to, and at last a note, in which `id` is NULL: `resume_after` says where the next page
--   begins, NULL at the end, and `examined` how many rows were looked at. A page may hold fewer jobs than asked for, even none, and
--   not be the last.
-- Errors: CR004 for a filter that cannot be right or names nothing, or what is no priority. CR005 for a login that is not registered.
-- Guarantees: a page that is sent again with its p_request does nothing more, answers with the ids of the first time and leads on below
--   them; jobs that have the priority already are left out. A busy robot finds them within a quarter of a second. Rows are locked in
--   the order of their ids, a transaction that is changing one of them is waited for, and the filter must hold for what it left.
-- Inside: the priority is part of the route, and robots scan a route from a floor (see claim_jobs). A job that comes into a route with a
--   place of its own may lie below it, as one that was given back does, and is marked alike.
CREATE OR REPLACE FUNCTION set_priority(
    p_filter jsonb, p_priority integer, p_limit integer DEFAULT 1000, p_after uuid DEFAULT NULL, p_dry_run boolean DEFAULT false, p_request uuid DEFAULT NULL)
RETURNS TABLE (id uuid, resume_after uuid, examined integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    v_page  record;
    v_now   timestamptz;
BEGIN
    IF (p_priority BETWEEN 0 AND 20) IS NOT TRUE THEN
        RAISE EXCEPTION 'priority must be a whole number from 0 to 20' USING ERRCODE = 'CR004';
    END IF;
    SELECT * INTO v_page FROM take_page(p_filter, p_limit, p_after, p_dry_run, p_request, format('x.status = ''PENDING'' AND x.priority <> %s', p_priority), NULL);
    IF v_page.act THEN
        v_now := clock();
        PERFORM remember_action(j.id, j.tenant_id, j.queue_name, v_now, 'prioritised', NULL, jsonb_build_object('from', j.priority, 'to', p_priority), p_request)
           FROM jobs j WHERE j.id = ANY (v_page.jobs);
        UPDATE jobs j
           SET priority = p_priority, route_id = intern_route(j.queue_name, j.tenant_id, j.requirements, p_priority), returned = NOT j.deferred
         WHERE j.id = ANY (v_page.jobs);
    END IF;
    RETURN QUERY SELECT * FROM page_of_ids(v_page.jobs || v_page.dead, v_page.resume_after, v_page.examined);
END $$;
