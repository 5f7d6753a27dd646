-- Refuses what no job may carry. A size is that of the JSON text as PostgreSQL prints it; the cheap binary size goes first.
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
    SELECT u.ordinal, jsonb_typeof(u.payload) AS kind, octet_length(u.payload::text) AS size INTO v_bad
      FROM unnest(p_payloads) WITH ORDINALITY u(payload, ordinal)
     WHERE jsonb_typeof(u.payload) IS DISTINCT FROM 'object'
        OR (pg_column_size(u.payload) > v_limit / 8 AND octet_length(u.payload::text) > v_limit)
     LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    ELSIF v_bad.kind IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'the payload of job % must be a JSON object, not %', v_bad.ordinal, coalesce(v_bad.kind, 'NULL') USING ERRCODE = 'CR004';
    END IF;
    RAISE EXCEPTION 'the payload of job % has % bytes, more than the limit of %', v_bad.ordinal, v_bad.size, v_limit USING ERRCODE = 'CR004';
END $$;
