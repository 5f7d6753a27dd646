-- Reads the filter of what is done to many jobs: it must name something, or a slip of the hand would hit all of them.
CREATE OR REPLACE FUNCTION read_bulk_filter(p_filter jsonb) RETURNS job_filter
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_filter job_filter := read_filter(p_filter);
BEGIN
    IF v_filter IS NULL THEN -- every key of it
        RAISE EXCEPTION 'the filter must name something, for example {"queue_name": "casare_rpa_jobs"}' USING ERRCODE = 'CR004';
    END IF;
    RETURN v_filter;
END $$;

-- A page of what the caller may see of what matches, to do something to it: up to p_limit (1000) jobs below p_after. `act` says whether it
-- is to be done, and then the rows are locked, those of each place in the order of their ids, and what no longer matches once they are is
-- left out: it is somebody else's. A page that was done before, by its p_request, brings the ids of the first time and leads on below them.
-- p_jobs and p_dead are further conditions on the rows `x` of `jobs` and of `dead_letter_queue`; NULL leaves a place out.
CREATE OR REPLACE FUNCTION take_page(
    p_filter jsonb, p_limit integer, p_after uuid, p_dry_run boolean, p_request uuid, p_jobs text, p_dead text, p_skip_locked boolean DEFAULT false,
    OUT jobs uuid[], OUT dead uuid[], OUT act boolean, OUT resume_after uuid, OUT examined integer)
LANGUAGE plpgsql AS $$
DECLARE
    v_scope  record;
    v_filter job_filter;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    jobs := done_before(p_request);
    IF jobs IS NOT NULL THEN
        act := false;
        resume_after := jobs[1];
        examined := 0;
        RETURN;
    END IF;
    act := NOT coalesce(p_dry_run, false);
    v_filter := read_bulk_filter(p_filter);
    SELECT array_agg(m.id ORDER BY m.id) FILTER (WHERE m.place = 'jobs'), array_agg(m.id ORDER BY m.id) FILTER (WHERE m.place = 'dead_letter_queue'),
           (array_agg(m.resume_after) FILTER (WHERE m.id IS NULL))[1], max(m.examined) INTO jobs, dead, resume_after, examined
      FROM match_jobs(v_filter, v_scope.tenant, v_scope.queues, least(coalesce(p_limit, 1000), 1000), p_after, 20000, p_jobs, p_dead, NULL) m;
    IF act THEN
        jobs := lock_matching('jobs', v_filter, v_scope.tenant, v_scope.queues, p_jobs, jobs, p_skip_locked);
        dead := lock_matching('dead_letter_queue', v_filter, v_scope.tenant, v_scope.queues, p_dead, dead, p_skip_locked);
    END IF;
END $$;

-- Locks those of some rows of a place that match, in the order of their ids, and returns their ids.
CREATE OR REPLACE FUNCTION lock_matching(
    p_place text, p_filter job_filter, p_tenant text, p_queues text[], p_also text, p_ids uuid[], p_skip_locked boolean) RETURNS uuid[]
LANGUAGE plpgsql SET jit = off SET enable_sort = off AS $$ -- so that it goes by the ids and never by an index of what else is asked for
DECLARE
    v_ids uuid[];
BEGIN
    IF cardinality(p_ids) > 0 THEN
        EXECUTE format('SELECT array_agg(l.id) FROM (SELECT x.id FROM %I x WHERE x.id = ANY ($4) AND %s ORDER BY x.id FOR UPDATE %s) l',
                       p_place, concat_ws(' AND ', filter_conditions(p_place, p_filter), p_also), CASE WHEN p_skip_locked THEN 'SKIP LOCKED' END)
        INTO v_ids USING p_filter, p_tenant, p_queues, p_ids;
    END IF;
    RETURN v_ids;
END $$;

-- What a page of what was done returns: the ids, and a note.
CREATE OR REPLACE FUNCTION page_of_ids(p_ids uuid[], p_resume_after uuid, p_examined integer) RETURNS TABLE (id uuid, resume_after uuid, examined integer)
LANGUAGE sql STABLE AS $$
    SELECT u.id, NULL::uuid, NULL::integer FROM unnest(p_ids) u(id)
    UNION ALL
    SELECT NULL, p_resume_after, p_examined
$$;

-- Tells the robots of the queues of some jobs that these are ready.
CREATE OR REPLACE FUNCTION announce_ready(p_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM announce(q.queue_name, q.jobs) FROM (SELECT j.queue_name, count(*) AS jobs FROM jobs j WHERE j.id = ANY (p_ids) GROUP BY j.queue_name) q;
END $$;
