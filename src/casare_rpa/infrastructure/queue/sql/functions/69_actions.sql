-- Remembers what somebody did to a job. Comments, edits and a resolution stay; of all else the latest 1000 do, for two programs that
-- disagree about a priority would fill the disk.
CREATE OR REPLACE FUNCTION remember_action(
    p_id uuid, p_tenant text, p_queue text, p_now timestamptz, p_action text, p_comment text, p_detail jsonb, p_request uuid)
RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO job_actions (job_id, tenant_id, queue_name, at, actor, action, comment, detail, request)
    VALUES (p_id, p_tenant, p_queue, p_now, session_user, p_action, p_comment, p_detail, p_request);
    DELETE FROM job_actions a
     WHERE a.job_id = p_id
       AND a.ctid = ANY (ARRAY(SELECT o.ctid FROM job_actions o
                                WHERE o.job_id = p_id AND o.action NOT IN ('commented', 'edited', 'resolved')
                                ORDER BY o.at DESC, o.ctid DESC OFFSET 1000))
$$;

-- The jobs that a call has done its work on already, in the order of their ids, or NULL when there are none: its reply was lost, and it
-- is sent again. If the first sending is still under way, it is waited for, and what it did is seen.
CREATE OR REPLACE FUNCTION done_before(p_request uuid) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_request IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(p_request, 0));
    RETURN (SELECT array_agg(a.job_id ORDER BY a.job_id) FROM job_actions a WHERE a.request = p_request AND a.actor = session_user);
END $$;

-- Refuses a comment that is none, and one on a job that has more than enough of them: nobody reads them, and they fill the disk.
CREATE OR REPLACE FUNCTION check_comment(p_id uuid, p_comment text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF length(p_comment) NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'a comment has 1 to 10000 characters, not %', length(p_comment) USING ERRCODE = 'CR004';
    ELSIF (SELECT count(*) FROM job_actions a WHERE a.job_id = p_id AND a.action IN ('commented', 'edited')) >= 1000 THEN
        RAISE EXCEPTION 'the job % has 1000 comments and edits already', p_id USING ERRCODE = 'CR004';
    END IF;
END $$;

-- Writes a comment on a job, wherever it lives now.
--
-- Arguments:
--   p_id: the job's id.
--   p_comment: 1 to 10,000 characters.
--   p_request: an id of the caller's own for this call, to be given again when it is sent again; NULL makes it one that must not be.
-- Returns: nothing.
-- Errors: CR001 when there is no such job. CR004 for a comment that is empty or too long, or when the job has 1000 comments and edits.
--   CR005 for a login that is not registered.
-- Guarantees: repeatable with a p_request; without one, a second call writes a second comment. It locks no rows.
CREATE OR REPLACE FUNCTION comment_job(p_id uuid, p_comment text, p_request uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_job all_jobs;
BEGIN
    PERFORM caller_scope();
    IF done_before(p_request) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT * INTO v_job FROM find_job(p_id) f LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job %', p_id USING ERRCODE = 'CR001';
    END IF;
    PERFORM check_comment(p_id, coalesce(p_comment, '')),
            remember_action(p_id, v_job.tenant_id, v_job.queue_name, clock(), 'commented', p_comment, NULL, p_request);
END $$;

-- What people and programs did to a job by hand, oldest first.
--
-- Arguments:
--   p_id: the job's id.
-- Returns: a row for each action: when, the login (`actor`), what (`commented`, `assigned`, `edited`, `redriven`, `resolved`, `cancelled`,
--   `prioritised` or `retried`), the comment, and details: the `payload` as it was before an edit, `to` whom it was assigned, the
--   priority it had (`from`), or what a resolved dead letter was. A job has 1000 comments and edits at most, and of all
--   else the latest 1000 are kept. It is the latest of them once comments and details come to 16 MiB.
-- Errors: CR001 when there is no such job. CR005 for a login that is not registered.
-- Guarantees: changes and locks nothing.
CREATE OR REPLACE FUNCTION find_actions(p_id uuid) RETURNS TABLE (at timestamptz, actor text, action text, comment text, detail jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_scope  record;
    v_action record;
    v_latest tid[] := '{}';
    v_bytes  bigint := 0;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    IF NOT EXISTS (SELECT FROM find_job(p_id)) THEN
        RAISE EXCEPTION 'there is no job %', p_id USING ERRCODE = 'CR001';
    END IF;
    FOR v_action IN
        SELECT a.ctid, a.comment, a.detail FROM job_actions a
         WHERE a.job_id = p_id AND in_scope(v_scope.tenant, v_scope.queues, a.tenant_id, a.queue_name)
         ORDER BY a.at DESC, a.ctid DESC LIMIT 3000
    LOOP
        EXIT WHEN v_bytes > 16777216;
        v_bytes := v_bytes + coalesce(octet_length(v_action.comment), 0) + coalesce(octet_length(v_action.detail::text), 0);
        v_latest := v_latest || v_action.ctid;
    END LOOP;
    RETURN QUERY
    SELECT a.at, a.actor::text, a.action, a.comment, a.detail FROM job_actions a
     WHERE a.job_id = p_id AND a.ctid = ANY (v_latest) ORDER BY a.at, a.ctid;
END $$;
