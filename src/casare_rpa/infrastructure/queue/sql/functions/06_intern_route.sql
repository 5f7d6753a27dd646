-- The number of a route: 64 bits of a digest of what it stands for.
CREATE OR REPLACE FUNCTION route_number(p_queue text, p_tenant text, p_requirements jsonb, p_priority integer) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || substr(encode(sha256(convert_to(jsonb_build_array(p_queue, p_tenant, p_requirements, p_priority)::text, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint
$$;

-- Interns a route and returns its number. Refuses a collision of digests, so that it can never hand a job to a robot it does not fit.
CREATE OR REPLACE FUNCTION intern_route(p_queue text, p_tenant text, p_requirements jsonb, p_priority integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_route bigint := route_number(p_queue, p_tenant, p_requirements, p_priority);
    v_known routes;
BEGIN
    SELECT * INTO v_known FROM routes r WHERE r.route_id = v_route LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO routes (route_id, queue_name, tenant_id, requirements, priority)
        VALUES (v_route, p_queue, p_tenant, p_requirements, p_priority);
    ELSIF (v_known.queue_name, v_known.tenant_id, v_known.requirements, v_known.priority)
          IS DISTINCT FROM (p_queue, p_tenant, p_requirements, p_priority::smallint) THEN
        RAISE EXCEPTION 'route % already stands for other requirements', v_route USING ERRCODE = 'CR004';
    END IF;
    RETURN v_route;
END $$;
