-- Reads a filter, a JSON object whose keys are those of the type job_filter (`status` is a status or a list of them).
CREATE OR REPLACE FUNCTION read_filter(p_filter jsonb) RETURNS job_filter
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_keys   jsonb := (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(CASE jsonb_typeof(p_filter) WHEN 'object' THEN p_filter ELSE '{}' END) e
                        WHERE e.value <> 'null');
    v_filter job_filter;
BEGIN
    IF jsonb_typeof(v_keys -> 'status') = 'string' THEN
        v_keys := jsonb_set(v_keys, '{status}', jsonb_build_array(v_keys -> 'status'));
    END IF;
    PERFORM check_filter(coalesce(p_filter, '{}'), v_keys);
    v_filter := jsonb_populate_record(NULL::job_filter, v_keys - ARRAY['ids', 'status', 'tags']);
    v_filter.ids := CASE WHEN v_keys ? 'ids' THEN ARRAY(SELECT DISTINCT i::uuid FROM jsonb_array_elements_text(v_keys -> 'ids') i) END;
    v_filter.statuses := CASE WHEN v_keys ? 'status' THEN ARRAY(SELECT DISTINCT s::job_status FROM jsonb_array_elements_text(v_keys -> 'status') s) END;
    v_filter.tags := CASE WHEN v_keys ? 'tags' THEN ARRAY(SELECT DISTINCT t FROM jsonb_array_elements_text(v_keys -> 'tags') t) END;
    RETURN v_filter;
END $$;

-- Narrows a filter to what a caller may see, before any row is looked at: what is counted and where a page ends must not speak of others'
-- jobs. A reference is looked up here, so that the rest of a search goes by ids.
CREATE OR REPLACE FUNCTION narrow_filter(p_filter job_filter, p_tenant text, p_queues text[]) RETURNS job_filter
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_filter.tenant_id <> p_tenant OR p_filter.queue_name <> ALL (p_queues) OR p_queues = '{}' THEN
        p_filter.ids := '{}';
    ELSIF p_filter.reference IS NOT NULL THEN
        p_filter.ids := ARRAY(SELECT f.id FROM ids_of_reference(p_filter.reference, p_filter.queue_name, p_tenant, p_queues) f(id)
                               WHERE p_filter.ids IS NULL OR f.id = ANY (p_filter.ids));
    END IF;
    p_filter.tenant_id := coalesce(p_filter.tenant_id, p_tenant);
    IF cardinality(p_queues) = 1 THEN
        p_filter.queue_name := coalesce(p_filter.queue_name, p_queues[1]);
    END IF;
    RETURN p_filter;
END $$;

-- Refuses a filter that cannot be right; p_keys are those of its keys that are not null.
CREATE OR REPLACE FUNCTION check_filter(p_filter jsonb, p_keys jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_names   text[] := '{ids,queue_name,status,workflow,tenant_id,tags,metadata,robot,reference,since,until,error,reason,shape,assigned_to}';
    v_problem text;
    v_key     text;
BEGIN
    v_problem := CASE
        WHEN jsonb_typeof(p_filter) <> 'object' THEN 'a filter must be a JSON object'
        ELSE coalesce(
            (SELECT format('there is no filter "%s": there are %s', left(k, 100), array_to_string(v_names, ', ')) FROM jsonb_object_keys(p_keys) k WHERE k <> ALL (v_names) LIMIT 1),
            (SELECT format('the filter %s must be a list of words', k) FROM unnest('{ids,status,tags}'::text[]) k
              WHERE jsonb_typeof(p_keys -> k) <> 'array' OR jsonb_path_exists(p_keys -> k, '$[*] ? (@.type() != "string")') LIMIT 1),
            (SELECT format('the filter %s must be a text', k) FROM unnest(v_names) k
              WHERE k NOT IN ('ids', 'status', 'tags', 'metadata') AND jsonb_typeof(p_keys -> k) <> 'string' LIMIT 1),
            (SELECT format('the filter %s must name something', k) FROM unnest(v_names) k
              WHERE k NOT IN ('ids', 'shape', 'assigned_to') AND p_keys -> k IN ('""', '[]', '{}') LIMIT 1))
    END;
    v_problem := coalesce(v_problem, CASE
        WHEN jsonb_array_length(p_keys -> 'ids') > 10000 THEN 'the filter ids may name 10000 jobs at most'
        WHEN jsonb_path_exists(p_keys, '$.ids[*] ? (!(@ like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" flag "i"))') THEN 'the filter ids must be a list of UUIDs'
        WHEN jsonb_array_length(p_keys -> 'tags') > 32 THEN 'the filter tags may name 32 tags at most'
        WHEN jsonb_array_length(p_keys -> 'status') > 6 THEN 'the filter status may name 6 statuses at most'
        WHEN jsonb_typeof(p_keys -> 'metadata') <> 'object' THEN 'the filter metadata must be a JSON object'
        WHEN octet_length((p_keys -> 'metadata')::text) > 10240 THEN 'the filter metadata may have 10240 bytes at most'
        WHEN document_fault(p_keys, 1048576) IS NOT NULL THEN 'a filter ' || document_fault(p_keys, 1048576)
        -- Each value may be compared with each that a job has, and within a row nothing stops that.
        WHEN (SELECT count(*) FROM jsonb_path_query(p_keys -> 'metadata', 'strict $.**')) > 101
            THEN 'the filter metadata may have 100 values at most, lists and objects included'
        WHEN length(p_keys ->> 'error') > 1000 THEN 'the filter error may have 1000 characters at most'
        WHEN p_keys ->> 'reason' NOT IN ('exhausted', 'business', 'crashed', 'in doubt', 'quarantined')
            THEN 'the filter reason must be exhausted, business, crashed, in doubt or quarantined'
        ELSE coalesce(
            (SELECT format('the filter status: there is no status "%s": there are %s', left(s, 100), array_to_string(enum_range(NULL::job_status), ', '))
               FROM jsonb_array_elements_text(p_keys -> 'status') s WHERE s <> ALL (enum_range(NULL::job_status)::text[]) LIMIT 1),
            (SELECT format('the filter %s must be a time with its zone, such as 2030-01-31T08:00:00+01:00', k) FROM unnest('{since,until}'::text[]) k
              WHERE p_keys ->> k !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.]\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?(:\d\d)?)$' LIMIT 1))
    END);
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION '%', v_problem USING ERRCODE = 'CR004';
    END IF;
    FOREACH v_key IN ARRAY '{since,until}'::text[] LOOP
        CONTINUE WHEN NOT p_keys ? v_key;
        BEGIN
            PERFORM (p_keys ->> v_key)::timestamptz;
        EXCEPTION WHEN data_exception THEN
            RAISE EXCEPTION 'the filter %: there is no time %', v_key, p_keys ->> v_key USING ERRCODE = 'CR004';
        END;
    END LOOP;
END $$;

-- The ids of the jobs that have a reference, of one queue or of all, within the scope of a caller. A cancelled job has given its back.
CREATE OR REPLACE FUNCTION ids_of_reference(p_reference text, p_queue text, p_tenant text, p_queues text[]) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
    SELECT f.job_id
      FROM (SELECT DISTINCT r.queue_name, coalesce(r.tenant_id, '') AS tenant_id FROM routes r
             WHERE (p_queue IS NULL OR r.queue_name = p_queue) AND in_scope(p_tenant, p_queues, r.tenant_id, r.queue_name)) q
     CROSS JOIN LATERAL (SELECT r.job_id FROM job_references r
                          WHERE r.tenant_id = q.tenant_id AND r.queue_name = q.queue_name AND r.reference = p_reference LIMIT 1) f
$$;
