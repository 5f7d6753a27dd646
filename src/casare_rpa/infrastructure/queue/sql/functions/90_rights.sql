-- Who may call what. EXECUTE is public by default, so everything is taken back first; no role but the owner touches a table.
DO $$
DECLARE
    v_schema text := current_schema();
    v_right  record;
BEGIN
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', v_schema);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM PUBLIC', v_schema);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM PUBLIC', v_schema);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', v_schema);
    FOR v_right IN
        SELECT r.role, f.name, p.oid::regprocedure AS signature
          FROM (VALUES
            ('producer', ARRAY['schema_info', 'enqueue_jobs', 'enqueue_job', 'announce_jobs', 'cancel_job', 'cancel_job_once', 'find_job', 'find_attempts', 'list_jobs',
                               'queue_depth', 'list_queues', 'list_dead_letters', 'redrive_jobs', 'redrive_jobs_once', 'upkeep', 'find_ended', 'subscribe', 'unsubscribe',
                               'find_jobs', 'count_jobs', 'find_actions', 'find_dead_letters', 'group_dead_letters',
                               'cancel_jobs', 'retry_jobs', 'set_priority', 'comment_job', 'redrive_dead_letters', 'resolve_dead_letters',
                               'assign_dead_letters', 'edit_payload']),
            ('robot',    ARRAY['schema_info', 'channels', 'wait_for_jobs', 'stop_waiting_for_jobs', 'claim_jobs', 'start_jobs', 'settle_jobs', 'settle_and_claim', 'heartbeat', 'upkeep']),
            ('viewer',   ARRAY['schema_info', 'find_job', 'find_attempts', 'list_jobs', 'queue_depth', 'list_queues', 'list_dead_letters', 'find_ended', 'subscribe', 'unsubscribe',
                               'find_jobs', 'count_jobs', 'find_actions', 'find_dead_letters', 'group_dead_letters'])
          ) r(role, names) CROSS JOIN LATERAL unnest(r.names) f(name)
          LEFT JOIN pg_proc p ON p.proname = f.name AND p.pronamespace = v_schema::regnamespace
    LOOP
        IF v_right.signature IS NULL THEN
            RAISE EXCEPTION 'a right names the function %, which does not exist', v_right.name;
        END IF;
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', v_right.signature, v_schema || '_' || v_right.role);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %1$I TO %2$I, %3$I, %4$I, %5$I', v_schema, v_schema || '_producer', v_schema || '_publisher', v_schema || '_robot', v_schema || '_viewer');
END $$;
