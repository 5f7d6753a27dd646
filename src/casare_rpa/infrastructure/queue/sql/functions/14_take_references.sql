-- Takes the references of a batch for its jobs and returns those that were taken already, by an earlier job or within the batch.
-- Waits for a transaction that is just taking the same one.
CREATE OR REPLACE FUNCTION take_references(p_templates jsonb, p_template integer[], p_ids uuid[], p_references text[], p_left_out integer[])
RETURNS TABLE (ordinal integer, reference text, job_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_wanted record;
    v_tenant text;
    v_queue  text;
BEGIN
    -- In one order, so that two batches that take the same references wait for each other in turn and never in a circle.
    FOR v_wanted IN
        SELECT u.id, u.reference, u.ordinal::integer, p_templates -> (coalesce(u.template, 1) - 1) AS template
          FROM unnest(p_ids, p_references, p_template) WITH ORDINALITY u(id, reference, template, ordinal)
         WHERE u.reference IS NOT NULL AND u.ordinal <> ALL (p_left_out)
         ORDER BY u.reference, u.ordinal
    LOOP
        IF length(v_wanted.reference) NOT BETWEEN 1 AND 500 THEN
            RAISE EXCEPTION 'the reference of job % must have 1 to 500 characters', v_wanted.ordinal USING ERRCODE = 'CR004';
        END IF;
        v_tenant := coalesce(v_wanted.template ->> 'tenant_id', '');
        v_queue := v_wanted.template ->> 'queue_name';
        INSERT INTO job_references (tenant_id, queue_name, reference, job_id)
        VALUES (v_tenant, v_queue, v_wanted.reference, v_wanted.id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN QUERY SELECT v_wanted.ordinal, v_wanted.reference, r.job_id FROM job_references r
                          WHERE r.tenant_id = v_tenant AND r.queue_name = v_queue AND r.reference = v_wanted.reference;
        END IF;
    END LOOP;
END $$;
