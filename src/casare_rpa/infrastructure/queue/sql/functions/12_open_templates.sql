-- Checks templates, fills in what they leave out, and interns their routes.
CREATE OR REPLACE FUNCTION open_templates(p_templates jsonb, p_tenant text, p_queues text[], OUT templates jsonb, OUT routes bigint[])
LANGUAGE plpgsql AS $$
DECLARE
    v_template jsonb;
BEGIN
    templates := '[]';
    routes := '{}';
    FOR v_template IN SELECT t FROM jsonb_array_elements(p_templates) t LOOP
        v_template := jsonb_build_object('queue_name', 'casare_rpa_jobs', 'priority', 5, 'max_retries', 3, 'retry_delay', 5,
                                         'on_crash', 'retry', 'enable_dlq', true)
                      || (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(v_template) e WHERE e.value <> 'null');
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
        templates := templates || jsonb_build_array(v_template);
        routes := routes || intern_route(v_template ->> 'queue_name', v_template ->> 'tenant_id', v_template -> 'requirements',
                                         (v_template ->> 'priority')::integer);
    END LOOP;
END $$;
