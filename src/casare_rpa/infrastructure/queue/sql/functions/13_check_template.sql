-- Refuses a template that no robot could work from, whoever wrote it: the library checks the same before it sends.
CREATE OR REPLACE FUNCTION check_template(p_template jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    c_fields CONSTANT text[] := '{workflow,queue_name,priority,tenant_id,tags,metadata,requirements,max_retries,retry_delay,visibility_timeout,time_limit,on_crash,enable_dlq}';
    v_problem text;
BEGIN
    -- No query in here: it would be set up each time, and what has none is set up once in a session.
    v_problem := CASE
        WHEN NOT coalesce(length(p_template ->> 'workflow') BETWEEN 1 AND 200, false) THEN 'workflow must be a name of 1 to 200 characters'
        WHEN NOT coalesce(length(p_template ->> 'queue_name') BETWEEN 1 AND 200, false) THEN 'queue_name must be a name of 1 to 200 characters'
        WHEN length(p_template ->> 'tenant_id') NOT BETWEEN 1 AND 200 THEN 'tenant_id must be a name of 1 to 200 characters'
        WHEN p_template ->> 'priority' !~ '^([0-9]|1[0-9]|20)$' THEN 'priority must be a whole number from 0 to 20'
        WHEN p_template ->> 'max_retries' !~ '^[1-9][0-9]{0,3}$' THEN 'max_retries must be a whole number from 1 to 9999'
        WHEN NOT is_seconds(p_template -> 'retry_delay', 0) THEN 'retry_delay must be 0 seconds or more'
        WHEN NOT is_seconds(p_template -> 'visibility_timeout', 0.1) THEN 'visibility_timeout must be 0.1 seconds or more'
        WHEN NOT is_seconds(p_template -> 'time_limit', 0.001) THEN 'time_limit must be more than 0 seconds'
        WHEN p_template ->> 'on_crash' NOT IN ('retry', 'hold', 'fail') THEN 'on_crash must be retry, hold or fail'
        WHEN jsonb_typeof(p_template -> 'enable_dlq') <> 'boolean' THEN 'enable_dlq must be true or false'
        WHEN jsonb_typeof(p_template -> 'tags') <> 'array' THEN 'tags must be a list'
        WHEN jsonb_array_length(p_template -> 'tags') > 32 THEN 'tags: 32 at most'
        WHEN p_template ? 'tags' AND are_no_words(p_template -> 'tags') THEN 'tags must be words of 1 to 200 characters'
        WHEN jsonb_typeof(p_template -> 'metadata') <> 'object' THEN 'metadata must be a JSON object'
        WHEN jsonb_typeof(p_template -> 'requirements') <> 'object' THEN 'requirements must be a JSON object'
        WHEN (p_template -> 'requirements') - ARRAY['capabilities', 'labels', 'environment', 'pool'] <> '{}'
            THEN 'requirements may say capabilities, labels, environment and pool'
        WHEN jsonb_typeof(p_template #> '{requirements,capabilities}') <> 'array'
             OR jsonb_path_exists(p_template, '$.requirements.capabilities[*] ? (@.type() != "string")') THEN 'requirements: capabilities must be a list of words'
        WHEN jsonb_typeof(p_template #> '{requirements,labels}') <> 'object'
             OR jsonb_path_exists(p_template, '$.requirements.labels.* ? (@.type() != "string")') THEN 'requirements: labels must be an object of words'
        WHEN jsonb_typeof(p_template #> '{requirements,environment}') <> 'string' OR jsonb_typeof(p_template #> '{requirements,pool}') <> 'string'
            THEN 'requirements: environment and pool must be words'
        WHEN is_suspicious(p_template, 1048576) AND document_fault(p_template, 1048576) IS NOT NULL THEN 'a template ' || document_fault(p_template, 1048576)
        WHEN p_template - c_fields <> '{}' THEN format('there is no field "%s"', jsonb_path_query_first(p_template - c_fields, '$.keyvalue().key') #>> '{}')
    END;
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION '%', v_problem USING ERRCODE = 'CR004';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION is_seconds(p_value jsonb, p_least double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(p_value) WHEN 'number' THEN p_value::double precision BETWEEN p_least AND 1e9 ELSE p_value IS NULL END
$$;

CREATE OR REPLACE FUNCTION are_no_words(p_words jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (SELECT FROM jsonb_array_elements(p_words) w WHERE jsonb_typeof(w) <> 'string' OR length(w #>> '{}') NOT BETWEEN 1 AND 200)
$$;
