-- Takes the references of a batch for its jobs and returns those that were taken already, by an earlier job or within the batch.
-- Waits for a transaction that is just taking the same one.
CREATE OR REPLACE FUNCTION take_references(p_templates jsonb, p_template integer[], p_ids uuid[], p_references text[], p_left_out integer[])
RETURNS TABLE (ordinal integer, reference text, job_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_wanted record;
BEGIN
    -- In one order, so that two batches that take the same references wait for each other in turn and never in a circle.
    FOR v_wanted IN
        SELECT u.id, u.reference, u.ordinal::integer, coalesce(t.template ->> 'tenant_id', '') AS tenant, t.template ->> 'queue_name' AS queue
          FROM unnest(p_ids, p_references, p_template) WITH ORDINALITY u(id, reference, template, ordinal),
               LATERAL (SELECT p_templates -> (coalesce(u.template, 1) - 1)) t(template)
         WHERE u.reference IS NOT NULL AND u.ordinal <> ALL (p_left_out)
         ORDER BY u.reference, tenant, queue, u.ordinal
    LOOP
        IF length(v_wanted.reference) NOT BETWEEN 1 AND 500 THEN
            RAISE EXCEPTION 'the reference of job % must have 1 to 500 characters', v_wanted.ordinal USING ERRCODE = 'CR004';
        END IF;
        LOOP -- who has it may free it between the two statements
            INSERT INTO job_references (tenant_id, queue_name, reference, job_id)
            VALUES (v_wanted.tenant, v_wanted.queue, v_wanted.reference, v_wanted.id) ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            RETURN QUERY SELECT v_wanted.ordinal, v_wanted.reference, r.job_id FROM job_references r
                          WHERE r.tenant_id = v_wanted.tenant AND r.queue_name = v_wanted.queue AND r.reference = v_wanted.reference;
            EXIT WHEN FOUND;
        END LOOP;
    END LOOP;
END $$;
