-- Refuses what no job may carry. A size is that of the JSON text as PostgreSQL prints it.
CREATE OR REPLACE FUNCTION check_payloads(p_ids uuid[], p_payloads jsonb[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_limit integer;
    v_bad   record;
BEGIN
    IF cardinality(p_ids) > 10000 THEN
        RAISE EXCEPTION 'a batch holds 10000 jobs at most, not %', cardinality(p_ids) USING ERRCODE = 'CR004';
    END IF;
    IF cardinality(p_ids) IS DISTINCT FROM cardinality(p_payloads) THEN
        RAISE EXCEPTION 'a batch needs as many payloads as ids' USING ERRCODE = 'CR004';
    END IF;
    SELECT payload_limit INTO v_limit FROM settings;
    SELECT u.ordinal, CASE WHEN jsonb_typeof(u.payload) = 'object' THEN document_fault(u.payload, v_limit)
                           ELSE 'must be a JSON object, not ' || coalesce(jsonb_typeof(u.payload), 'NULL') END AS fault INTO v_bad
      FROM unnest(p_payloads) WITH ORDINALITY u(payload, ordinal)
     WHERE jsonb_typeof(u.payload) IS DISTINCT FROM 'object'
        OR is_suspicious(u.payload, v_limit) AND document_fault(u.payload, v_limit) IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the payload of job % %', v_bad.ordinal, v_bad.fault USING ERRCODE = 'CR004';
    END IF;
END $$;

-- Refuses times that no program could read back.
CREATE OR REPLACE FUNCTION check_run_ats(p_run_ats timestamptz[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_bad text;
BEGIN
    SELECT r::text INTO v_bad FROM unnest(p_run_ats) r WHERE r NOT BETWEEN '1970-01-01 00:00:00+00' AND '3000-01-01 00:00:00+00' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'run_at must lie between the years 1970 and 3000, not at %', v_bad USING ERRCODE = 'CR004';
    END IF;
END $$;
