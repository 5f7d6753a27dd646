-- Checks templates, fills in what they leave out, and interns their routes.
CREATE OR REPLACE FUNCTION open_templates(p_templates jsonb, p_tenant text, p_queues text[], OUT templates jsonb, OUT routes bigint[])
LANGUAGE plpgsql AS $$
DECLARE
    v_template jsonb;
    v_opened   jsonb[] := '{}';
BEGIN
    routes := '{}';
    FOR v_template IN SELECT t FROM jsonb_array_elements(p_templates) t LOOP
        IF jsonb_path_exists(v_template, '$.* ? (@ == null)') THEN
            v_template := (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(v_template) e WHERE e.value <> 'null');
        END IF;
        v_template := '{"queue_name": "casare_rpa_jobs", "priority": 5, "max_retries": 3, "retry_delay": 5, "on_crash": "retry", "enable_dlq": true}'
                      || v_template;
        PERFORM check_template(v_template);
        IF v_template ->> 'queue_name' <> ALL (p_queues) THEN
            RAISE EXCEPTION 'the login "%" may not use the queue "%"', session_user, v_template ->> 'queue_name' USING ERRCODE = 'CR005';
        END IF;
        IF p_tenant IS NOT NULL THEN
            IF v_template ->> 'tenant_id' <> p_tenant THEN
                RAISE EXCEPTION 'the login "%" may not enqueue for the tenant "%"', session_user, v_template ->> 'tenant_id' USING ERRCODE = 'CR005';
            END IF;
            v_template := v_template || jsonb_build_object('tenant_id', p_tenant);
        END IF;
        v_opened := v_opened || v_template; -- an array grows in place, a document would be copied each time
        routes := routes || intern_route(v_template ->> 'queue_name', v_template ->> 'tenant_id', v_template -> 'requirements',
                                         (v_template ->> 'priority')::integer);
    END LOOP;
    templates := to_jsonb(v_opened);
END $$;

-- The templates as rows, numbered from 1. It is no plain SQL so that the planner expects many of them, and does not join jobs to
-- templates by going through all pairs: each job of a batch may have its own.
CREATE OR REPLACE FUNCTION template_rows(p_templates jsonb)
RETURNS TABLE (
    template bigint, workflow text, queue_name text, priority smallint, tenant_id text, tags text[], metadata jsonb, requirements jsonb,
    max_retries integer, retry_delay double precision, visibility_timeout double precision, time_limit double precision,
    on_crash text, enable_dlq boolean)
LANGUAGE plpgsql IMMUTABLE ROWS 1000 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT t.ordinality, t.workflow, t.queue_name, t.priority, t.tenant_id, t.tags, t.metadata, t.requirements, t.max_retries, t.retry_delay,
           t.visibility_timeout, t.time_limit, t.on_crash, t.enable_dlq
      FROM ROWS FROM (jsonb_to_recordset(p_templates) AS (
               workflow text, queue_name text, priority smallint, tenant_id text, tags text[], metadata jsonb, requirements jsonb,
               max_retries integer, retry_delay double precision, visibility_timeout double precision, time_limit double precision,
               on_crash text, enable_dlq boolean)) WITH ORDINALITY t;
END $$;
