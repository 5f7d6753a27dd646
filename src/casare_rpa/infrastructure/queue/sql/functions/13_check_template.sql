-- Refuses a template that no robot could work from, whoever wrote it: the library checks the same before it sends.
CREATE OR REPLACE FUNCTION check_template(p_template jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_problem text;
BEGIN
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
        WHEN EXISTS (SELECT FROM jsonb_array_elements(p_template -> 'tags') t WHERE jsonb_typeof(t) <> 'string' OR length(t #>> '{}') NOT BETWEEN 1 AND 200)
            THEN 'tags must be words of 1 to 200 characters'
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
        WHEN document_fault(p_template, 1048576) IS NOT NULL THEN 'a template ' || document_fault(p_template, 1048576)
        ELSE (SELECT format('there is no field "%s"', k) FROM jsonb_object_keys(p_template) k
               WHERE k <> ALL ('{workflow,queue_name,priority,tenant_id,tags,metadata,requirements,max_retries,retry_delay,visibility_timeout,time_limit,on_crash,enable_dlq}')
               LIMIT 1)
    END;
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION '%', v_problem USING ERRCODE = 'CR004';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION is_seconds(p_value jsonb, p_least double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(p_value) WHEN 'number' THEN p_value::double precision BETWEEN p_least AND 1e9 ELSE p_value IS NULL END
$$;
