-- Puts a batch of jobs into their queues, in the order of the arrays and inside the caller's transaction.
--
-- What jobs of a batch have in common is said once, in a template: a JSON object with `workflow`, and any of `queue_name`, `priority`,
-- `tenant_id`, `tags`, `metadata`, `requirements`, `max_retries`, `retry_delay`, `visibility_timeout`, `time_limit`, `on_crash` and
-- `enable_dlq`. What is left out has the default of the field in JobModel, the queue `casare_rpa_jobs`, and 3 attempts.
--
-- Arguments:
--   p_templates: a JSON array of templates.
--   p_template: for each job the number of its template, from 1.
--   p_ids: for each job its id, a UUID that is new; version 7 keeps listings in the order of their making. 10,000 at most.
--   p_payloads: for each job a JSON object, 1 MiB at most as text and 64 levels deep.
--   p_references: for each job a text of 1 to 500 characters that is unique in its tenant and queue, or NULL; NULL is none at all.
--   p_run_ats: for each job the time before which it does not run, from 1970 to 3000, or NULL for now; NULL is now for all.
--   p_each: whether a job whose reference is taken is left out and reported, instead of failing the whole batch.
--   p_resent: whether the same batch was sent before and its reply was lost: jobs that are there already are left out.
--   p_notify: whether robots are told at the caller's commit; else they find the jobs by polling, or somebody calls announce_jobs.
-- Returns: with p_each a row for each job that was left out because its reference is taken: its number in the batch, from 1, and the id
--   of the job that has the reference. No row means that all are in.
-- Errors: CR003 when a reference is taken and p_each is false. CR004 for whatever cannot be stored, named in the message; an id that is a
--   dead letter's is refused so too, and for a login that is bound to a tenant or to queues one that any job has. CR005 for a tenant or a
--   queue that is not the login's. 23505 when an id is in use. With p_resent, 40001 or 23505 while the first sending is just arriving: send it once more.
-- Guarantees: all jobs or none. Sent again with p_resent and the same ids it doubles nothing, wherever the jobs have got to. A reference
--   that another open transaction is taking is waited for.
CREATE OR REPLACE FUNCTION enqueue_jobs(
    p_templates jsonb, p_template integer[], p_ids uuid[], p_payloads jsonb[], p_references text[] DEFAULT NULL,
    p_run_ats timestamptz[] DEFAULT NULL, p_each boolean DEFAULT false, p_resent boolean DEFAULT false, p_notify boolean DEFAULT false)
RETURNS TABLE (ordinal integer, existing uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_now       timestamptz := clock();
    v_scope     record;
    v_templates jsonb;
    v_routes    bigint[];
    v_left_out  integer[] := '{}';
    v_taken     record;
    v_jobs      integer;
BEGIN
    SELECT * INTO v_scope FROM caller_scope();
    PERFORM check_payloads(p_ids, p_payloads);
    IF p_run_ats IS NOT NULL THEN
        PERFORM check_run_ats(p_run_ats);
    END IF;
    IF v_scope.tenant IS NOT NULL OR v_scope.queues IS NOT NULL THEN
        -- Such a login must not make a job of its own out of another's. The others are trusted, and spared the look at every week.
        PERFORM check_ids_free(p_ids, v_scope.tenant, v_scope.queues, p_resent);
    ELSIF NOT p_resent AND (SELECT d.id FROM dead_letter_queue d WHERE d.id = ANY (p_ids) ORDER BY d.id LIMIT 1) IS NOT NULL THEN -- with EXISTS, another index might be read whole
        RAISE EXCEPTION 'an id of this batch is taken' USING ERRCODE = 'CR004';
    END IF;
    SELECT t.templates, t.routes INTO v_templates, v_routes FROM open_templates(p_templates, v_scope.tenant, v_scope.queues) t;

    IF p_resent THEN
        SELECT coalesce(array_agg(u.ordinal), '{}') INTO v_left_out
          FROM unnest(p_ids) WITH ORDINALITY u(id, ordinal) WHERE EXISTS (SELECT FROM all_jobs a WHERE a.id = u.id);
    END IF;
    IF p_references IS NOT NULL THEN
        FOR v_taken IN SELECT * FROM take_references(v_templates, p_template, p_ids, p_references, v_left_out) LOOP
            IF p_resent AND v_taken.job_id = p_ids[v_taken.ordinal] THEN
                RAISE EXCEPTION 'the first sending of this batch has just arrived: send it once more' USING ERRCODE = '40001';
            ELSIF NOT p_each THEN
                RAISE EXCEPTION 'the reference "%" is taken by job %', v_taken.reference, v_taken.job_id
                    USING ERRCODE = 'CR003', DETAIL = jsonb_build_object('reference', v_taken.reference, 'job_id', v_taken.job_id, 'ordinal', v_taken.ordinal)::text;
            END IF;
            v_left_out := v_left_out || v_taken.ordinal;
            RETURN QUERY SELECT v_taken.ordinal, v_taken.job_id;
        END LOOP;
    END IF;

    INSERT INTO jobs (id, seq, route_id, created_at, run_at, deferred, status, priority, queue_name, workflow, tenant_id, reference,
                      tags, metadata, requirements, max_retries, retry_delay, visibility_timeout, time_limit, on_crash, enable_dlq, payload)
    SELECT s.id, next_place(), v_routes[s.template], v_now, s.run_at, coalesce(s.run_at > v_now, false), 'PENDING', t.priority, t.queue_name,
           t.workflow, t.tenant_id, s.reference, t.tags, t.metadata, t.requirements, t.max_retries, t.retry_delay, t.visibility_timeout,
           t.time_limit, t.on_crash, t.enable_dlq, s.payload
      FROM (SELECT u.id, u.payload, coalesce(u.template, 1) AS template, u.reference, u.run_at, u.ordinal
              FROM unnest(p_ids, p_payloads, p_template, p_references, p_run_ats) WITH ORDINALITY u(id, payload, template, reference, run_at, ordinal)
             WHERE u.ordinal <> ALL (v_left_out)) s
      JOIN template_rows(v_templates) t ON t.template = s.template
     ORDER BY s.ordinal; -- the join may come in another order, and places are drawn after the sort
    GET DIAGNOSTICS v_jobs = ROW_COUNT;
    IF v_jobs <> cardinality(p_ids) - cardinality(v_left_out) THEN
        RAISE EXCEPTION 'a batch of % jobs names templates, references or times for others, or templates that are not there', cardinality(p_ids)
            USING ERRCODE = 'CR004';
    END IF;

    -- A first sending may have committed and its job may have been settled while we looked: the ids are ours now, so look again.
    IF p_resent THEN -- apart, since a condition is set up whole: every enqueue would lock every week of history
        IF EXISTS (SELECT FROM unnest(p_ids) WITH ORDINALITY u(id, ordinal)
                    WHERE u.ordinal <> ALL (v_left_out)
                      AND (EXISTS (SELECT FROM job_history h WHERE h.id = u.id) OR EXISTS (SELECT FROM dead_letter_queue d WHERE d.id = u.id))) THEN
            RAISE EXCEPTION 'the first sending of this batch has just been worked off: send it once more' USING ERRCODE = '40001';
        END IF;
    END IF;
    IF EXISTS (SELECT FROM subscriptions s
                WHERE s.wants_jobs && p_ids OR s.wants && ARRAY(SELECT t ->> 'queue_name' FROM jsonb_array_elements(v_templates) t)) THEN
        PERFORM emit_jobs('enqueued', 'PENDING', v_now, ARRAY(SELECT u.id FROM unnest(p_ids) WITH ORDINALITY u(id, ordinal)
                                                              WHERE u.ordinal <> ALL (v_left_out) ORDER BY u.ordinal));
    END IF;
    IF p_notify THEN
        PERFORM announce(n.queue_name, cardinality(p_ids)) FROM (SELECT DISTINCT t ->> 'queue_name' AS queue_name FROM jsonb_array_elements(v_templates) t) n;
    END IF;
END $$;

-- Refuses ids that a job has, wherever it lives, but not those of a batch that is sent again within the caller's scope. What is beyond
-- the scope is told apart neither by where it lives nor from what is within.
CREATE OR REPLACE FUNCTION check_ids_free(p_ids uuid[], p_tenant text, p_queues text[], p_resent boolean) RETURNS void
LANGUAGE plpgsql STABLE SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
BEGIN
    IF (SELECT a.id FROM all_jobs a
         WHERE a.id = ANY (p_ids) AND NOT (p_resent AND coalesce(in_scope(p_tenant, p_queues, a.tenant_id, a.queue_name), false)) LIMIT 1) IS NOT NULL THEN
        RAISE EXCEPTION 'an id of this batch is taken' USING ERRCODE = 'CR004';
    END IF;
END $$;
