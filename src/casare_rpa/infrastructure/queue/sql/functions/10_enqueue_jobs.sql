-- Puts a batch of jobs into their queues, in the order of the arrays and inside the caller's transaction.
--
-- What jobs of a batch have in common is said once, in a template: {"workflow", "queue_name", "priority", "tenant_id", "tags",
-- "metadata", "requirements", "max_retries", "retry_delay", "visibility_timeout", "time_limit", "on_crash", "enable_dlq"}.
-- p_template[i] is the number, from 1, of the template of job i. Returns a row for each job that was not put in because its
-- reference is taken (p_each); without p_each a taken reference raises. p_resent leaves out what is there already; a first sending
-- that is under way at this moment makes it fail with serialization_failure or unique_violation: send it once more.
CREATE OR REPLACE FUNCTION enqueue_jobs(
    p_templates jsonb, p_template integer[], p_ids uuid[], p_payloads jsonb[], p_references text[] DEFAULT NULL,
    p_run_ats timestamptz[] DEFAULT NULL, p_each boolean DEFAULT false, p_resent boolean DEFAULT false, p_notify boolean DEFAULT false)
RETURNS TABLE (ordinal integer, existing uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan AS $$
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
    IF NOT p_resent AND EXISTS (SELECT FROM dead_letter_queue d WHERE d.id = ANY (p_ids)) THEN
        RAISE EXCEPTION 'an id of this batch is taken by a dead letter' USING ERRCODE = 'CR004';
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
      JOIN ROWS FROM (jsonb_to_recordset(v_templates) AS (
               workflow text, queue_name text, priority smallint, tenant_id text, tags text[], metadata jsonb, requirements jsonb,
               max_retries integer, retry_delay double precision, visibility_timeout double precision, time_limit double precision,
               on_crash text, enable_dlq boolean)) WITH ORDINALITY t ON t.ordinality = s.template
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
    IF p_notify THEN
        PERFORM announce(n.queue_name, cardinality(p_ids)) FROM (SELECT DISTINCT t ->> 'queue_name' AS queue_name FROM jsonb_array_elements(v_templates) t) n;
    END IF;
END $$;
